{#- Dist: a few hundred rows that every fare and flight joins. Sort: the key they join on. -#}
{{ config(dist='all', sort='airport_code') }}

with

known as (
    select * from {{ ref('airports') }}
),

served as (
    select * from {{ ref('stg_incheon__airports') }}
),

schedules as (
    select * from {{ ref('stg_incheon__schedules') }}
),

fares as (
    select * from {{ ref('stg_travelpayouts__fares') }}
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
    select airport_code from known
    union all
    select airport_code from served
    union all
    select airport_code from scheduled
    union all
    select origin_airport_code as airport_code from fares
    union all
    select destination_airport_code as airport_code from fares
),

-- An airport that is not in any list still gets a row, so that every fare has one. Fares without an
-- airport have the code of their city here.
codes as (
    select distinct airport_code
    from codes_in_use
),

airports as (
    select
        codes.airport_code,
        coalesce(known.city_code, codes.airport_code) as city_code,
        known.country_code,
        coalesce(known.name_en, scheduled.airport_name, codes.airport_code) as name_en,
        coalesce(known.name_ko, served.name_ko) as name_ko,
        known.country_en,
        coalesce(known.country_ko, served.country_ko) as country_ko,
        known.latitude,
        known.longitude,
        coalesce(served.is_served, false) as is_served_from_incheon
    from codes
    left join known on codes.airport_code = known.airport_code
    left join served on codes.airport_code = served.airport_code
    left join scheduled
        on
            codes.airport_code = scheduled.airport_code
            and scheduled.name_rank = 1
)

select * from airports
