{#- Dist: about twenty rows that every rate joins. Sort: the key they join on. -#}
{{ config(dist='all', sort='currency_code') }}

with

currencies as (
    select * from {{ ref('currencies') }}
),

rates as (
    select * from {{ ref('stg_exim__exchange_rates') }}
),

named as (
    select
        currency_code,
        name_ko,
        row_number() over (
            partition by currency_code
            order by published_on desc
        ) as name_rank
    from rates
),

-- A currency that the bank adds has its code as its name until the seed has the name.
all_currencies as (
    select
        currency_code,
        name_en,
        name_ko
    from currencies
    union all
    select
        named.currency_code,
        named.currency_code as name_en,
        coalesce(named.name_ko, named.currency_code) as name_ko
    from named
    left join currencies on named.currency_code = currencies.currency_code
    where
        named.name_rank = 1
        and currencies.currency_code is null
)

select * from all_currencies
