{#- Dist: a few hundred rows that every fare and flight joins. Sort: the key they join on. -#}
{{ config(dist='all', sort='airport_code') }}

with

known as (
    select * from {{ ref('airports') }}
),

countries as (
    select * from {{ ref('countries') }}
),

served as (
    select * from {{ ref('stg_incheon__airports') }}
),

schedules as (
    select * from {{ ref('stg_incheon__schedules') }}
),

fare_codes as (
    select * from {{ ref('int_fare_codes') }}
),

scheduled as (
    select
        airport_code,
        airport_name,
        row_number() over (
            partition by airport_code
            order by logical_date desc, airport_name asc
        ) as name_rank
    from schedules
),

codes_in_use as (
    select
        airport_code,
        cast(null as varchar(20)) as source
    from known
    union all
    select
        airport_code,
        'incheon' as source
    from served
    union all
    select
        airport_code,
        'incheon' as source
    from scheduled
    union all
    select
        code as airport_code,
        'travelpayouts' as source
    from fare_codes
    where code_kind = 'airport'
),

-- An airport that is not in any list still gets a row, so that every fare has one. Fares without an
-- airport have the code of their city here.
codes as (
    select
        airport_code,
        min(source) as source
    from codes_in_use
    group by airport_code
),

-- A fare may have the code of its city.
cities as (
    select
        city_code,
        max(country_code) as country_code,
        max(city_en) as city_en,
        max(city_ko) as city_ko
    from known
    group by city_code
),

airports as (
    select
        codes.airport_code,
        codes.source,
        coalesce(known.city_code, codes.airport_code) as city_code,
        coalesce(known.city_en, cities.city_en) as city_en,
        coalesce(known.city_ko, cities.city_ko) as city_ko,
        countries.country_code,
        coalesce(known.name_en, scheduled.airport_name, codes.airport_code) as name_en,
        coalesce(known.name_ko, served.name_ko) as name_ko,
        coalesce(known.country_en, countries.name_en) as country_en,
        coalesce(known.country_ko, served.country_ko, countries.name_ko) as country_ko,
        countries.currency_code,
        countries.rate_currency_code,
        known.latitude,
        known.longitude,
        coalesce(served.is_served, false) as is_served_from_incheon
    from codes
    left join known on codes.airport_code = known.airport_code
    left join served on codes.airport_code = served.airport_code
    left join cities on codes.airport_code = cities.city_code
    -- The seed knows an airport's country, Incheon's list only its Korean name.
    left join countries
        on
            coalesce(known.country_code, cities.country_code) = countries.country_code
            or (
                coalesce(known.country_code, cities.country_code) is null
                and served.country_ko in (countries.name_ko, countries.name_ko_other)
            )
    left join scheduled
        on
            codes.airport_code = scheduled.airport_code
            and scheduled.name_rank = 1
)

select * from airports
