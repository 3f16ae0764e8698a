{#- Dist: a few thousand texts, joined by text. Sort: the same. -#}
{{ config(dist='price_text', sort='price_text') }}

{#- People who pay nothing where others pay, such as infants. -#}
{%- set groups = '미취학|장애|유공|경로|어르신|노인|[0-9] ?(세|살)|개월|구민|시민|도민|주민|학생'
    ~ '|초등|중등|고등|청소년|어린이|유아|아동|아기|보호자|동반|다둥이|다자녀|멤버|군인|생일|한복'
    ~ '|대상|수급|임산부|단체|인솔|교사|소지|예술인' %}
{#- Words around an amount that is not the price of a seat. -#}
{%- set reduced = '^ ?할인 ?($|[,./)*;]|쿠폰|혜택|해|되|됩)' %}
{%- set charged_apart = '^(이|은|는|이상)? ?(별도|추가|구매|결제|상당|어치|적립|환급|환불)' %}
{%- set fees = '(수수료|배송비|배송료|보증금|예치금|예약금|주차비|주차료|주차요금|주차|상금)( |:|[(]|는|은)*$' %}
{%- set materials = '(재료|교재)(비|값)?( |:|[(]|는|은)*$' %}

with

performance_details as (
    select * from {{ ref('stg_kopis__performance_details') }}
),

cultural_events as (
    select * from {{ ref('stg_seoul__cultural_events') }}
),

intros as (
    select * from {{ ref('int_tour_intros_merged') }}
),

positions as (
    {{ dbt.generate_series(1000) }}
),

-- Many events share a text, so each text is read only once.
all_texts as (
    select price_text
    from performance_details
    union all
    select fee_text as price_text
    from cultural_events
    union all
    select fee_ko as price_text
    from intros
),

texts as (
    select distinct price_text
    from all_texts
    where price_text is not null
),

{{ price_token_ctes() }},

{{ price_amount_ctes() }},

-- A reduction, an extra charge, a deposit and the value of a present are not what a seat costs.
-- Materials are, if nothing else is.
classified as (
    select
        price_text,
        price_krw,
        {{ regexp_extract('text_after', reduced) }} is not null
        or {{ regexp_extract('text_after', charged_apart) }} is not null
        or {{ regexp_extract('text_before', fees) }} is not null as is_no_price,
        {{ regexp_extract('text_before', materials) }} is not null as is_material
    from price_amounts
    where
        is_amount
        and (price_krw = 0 or price_krw between 100 and 100000000)
),

ranked as (
    select
        price_text,
        price_krw,
        rank() over (
            partition by price_text order by case when is_material then 1 else 0 end
        ) as price_rank
    from classified
    where not is_no_price
),

prices as (
    select
        price_text,
        price_krw
    from ranked
    where price_rank = 1
),

priced_texts as (
    select distinct price_text
    from prices
    where price_krw > 0
),

-- The words around 무료, back to the last separator or amount.
free_words as (
    select
        price_text,
        coalesce(
            {{ regexp_extract("replace(text_before, '원', '/')", '[^/,()|*]*$') }}, ''
        ) as words_before,
        text_after
    from price_tokens
    where number_text is null
),

free_prices as (
    select
        free_words.price_text,
        0 as price_krw
    from free_words
    left join priced_texts on free_words.price_text = priced_texts.price_text
    where
        {{
            regexp_extract('free_words.text_after', '^ ?(주차|음료|셔틀|배송|취소|와이파이)')
        }} is null
        and {{ regexp_extract('free_words.words_before', '(주차|음료|음식|배송|셔틀) ?$') }} is null
        and (
            priced_texts.price_text is null
            or (
                {{ regexp_extract('free_words.words_before', groups) }} is null
                and {{
                    regexp_extract('free_words.text_after', '^ ?([(] ?)?(' ~ groups ~ ')')
                }} is null
            )
        )
),

all_prices as (
    select * from prices
    union all
    select * from free_prices
),

price_ranges as (
    select
        price_text,
        cast(min(price_krw) as numeric(12, 0)) as min_price_krw,
        cast(max(price_krw) as numeric(12, 0)) as max_price_krw
    from all_prices
    group by price_text
)

select * from price_ranges
