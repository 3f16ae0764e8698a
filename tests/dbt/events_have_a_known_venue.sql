-- Events at the unknown venue: their details were not fetched or name a venue that is not in any
-- list. They are kept and shown, and the next runs of the loader fetch what is missing. If their
-- number does not fall, look at the performance's details in raw.
{{ config(severity='warn') }}

select
    event_id,
    source,
    title_ko
from {{ ref('fct_event') }}
where venue_id = 'unknown'
