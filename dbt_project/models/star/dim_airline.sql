{#- Dist: about a hundred rows that every fare and flight joins. Sort: the key they join on. -#}
{{ config(dist='all', sort='airline_code') }}

with

schedules as (
    select * from {{ ref('stg_incheon__schedules') }}
),

fare_codes as (
    select * from {{ ref('int_fare_codes') }}
),

named as (
    select
        airline_code,
        airline_name,
        row_number() over (
            partition by airline_code
            order by logical_date desc, airline_name asc
        ) as name_rank
    from schedules
),

codes_in_use as (
    select airline_code from named
    union all
    select code as airline_code from fare_codes
    where code_kind = 'airline'
),

codes as (
    select distinct airline_code
    from codes_in_use
),

-- An airline that is not in Incheon's schedules has its code as its name.
airlines as (
    select
        codes.airline_code,
        coalesce(named.airline_name, codes.airline_code) as airline_name
    from codes
    left join named
        on
            codes.airline_code = named.airline_code
            and named.name_rank = 1
)

select * from airlines
