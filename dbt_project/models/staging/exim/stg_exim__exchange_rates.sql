with

source as (
    select * from {{ source('staging_exim', 'exchange_rates') }}
),

-- A day without new rates returns those of an earlier day, which may already be loaded.
newest as (
    {{ select_newest('source', ['currency', 'date']) }}
),

-- Rates are quoted for 1 or 100 units. Zero means that the bank neither buys nor sells.
renamed as (
    select
        currency as currency_code,
        date as published_on,
        currency_name as name_ko,
        cast(base_rate / unit as decimal(18, 6)) as krw_per_unit,
        cast(nullif(buying_rate, 0) / unit as decimal(18, 6)) as buying_krw_per_unit,
        cast(nullif(selling_rate, 0) / unit as decimal(18, 6)) as selling_krw_per_unit,
        logical_date
    from newest
)

select * from renamed
