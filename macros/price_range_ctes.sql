{#- The CTE `price_ranges` and the CTEs that it needs: the lowest and highest price in won in `text`
    for each row of `relation`. 'R석 110,000원, S석 9만 5천원' has two prices. Up to 15 are read, one
    select for each, since Redshift requires a constant position. Recorded texts have at most nine.
    A text with 무료 (free) has a price of 0. -#}
{% macro price_range_ctes(relation, key, text) -%}
price_texts as (
    {% for n in range(1, 16) %}
    select
        {{ key }},
        replace(
            {{ regexp_extract(text, '[0-9][0-9,]{0,10} ?(만 ?([0-9] ?천 ?)?|천 ?)?원', n) }}, ' ', ''
        ) as price_text
    from {{ relation }}
    {% if not loop.last %}
    union all
    {% endif %}
    {% endfor %}
),

-- '9만5천원' is 9 times 10,000 and 5 times 1,000.
price_parts as (
    select
        {{ key }},
        case
            when price_text like '%만%' then split_part(price_text, '만', 1)
            else '0'
        end as ten_thousands_text,
        case
            when price_text like '%만%천%' then split_part(split_part(price_text, '만', 2), '천', 1)
            when price_text like '%천%' then split_part(price_text, '천', 1)
            else '0'
        end as thousands_text,
        case
            when price_text like '%만%' or price_text like '%천%' then '0'
            else replace(price_text, '원', '')
        end as won_text
    from price_texts
    where price_text is not null
),

prices as (
    select
        {{ key }},
        10000 * cast(replace(ten_thousands_text, ',', '') as numeric(12, 0))
        + 1000 * cast(replace(thousands_text, ',', '') as numeric(12, 0))
        + cast(replace(won_text, ',', '') as numeric(12, 0)) as price_krw
    from price_parts
),

free_seats as (
    select
        {{ key }},
        0 as price_krw
    from {{ relation }}
    where {{ text }} like '%무료%'
),

all_prices as (
    select * from prices
    union all
    select * from free_seats
),

price_ranges as (
    select
        {{ key }},
        cast(min(price_krw) as numeric(12, 0)) as min_price_krw,
        cast(max(price_krw) as numeric(12, 0)) as max_price_krw
    from all_prices
    group by {{ key }}
)
{%- endmacro %}
