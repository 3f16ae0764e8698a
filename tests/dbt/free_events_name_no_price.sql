-- Cultural events of Seoul that the source calls free while its text names a price, or paid while
-- the text names only free admission. They are kept, and is_free is null.
{{ config(severity='warn') }}

with

events as (
    select * from {{ ref('stg_seoul__cultural_events') }}
),

price_ranges as (
    select * from {{ ref('int_price_texts_parsed') }}
)

select
    events.event_code,
    events.title,
    events.is_free,
    events.fee_text,
    price_ranges.min_price_krw,
    price_ranges.max_price_krw
from events
inner join price_ranges on events.fee_text = price_ranges.price_text
where
    (events.is_free and price_ranges.min_price_krw > 0)
    or (not events.is_free and price_ranges.max_price_krw = 0)
