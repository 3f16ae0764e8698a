{#- Staging forgets past days, so the model keeps their codes, as fct_fare keeps their fares. Dist:
    a hundred rows a day. Sort: by the day, which is replaced as a whole. -#}
{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='seen_on',
        on_schema_change='fail',
        pre_hook="{{ refuse_full_refresh('travelpayouts', 'fares') }}",
        post_hook="{{ delete_days_without_rows('travelpayouts', 'fares') }}",
        dist='all',
        sort='seen_on',
    )
}}

with

fares as (
    select * from {{ ref('stg_travelpayouts__fares') }}
),

new_fares as (
    {{ select_new_or_reloaded_days('fares') }}
),

codes as (
    select
        seen_on,
        load_id,
        'airport' as code_kind,
        origin_airport_code as code
    from new_fares
    union all
    select
        seen_on,
        load_id,
        'airport' as code_kind,
        destination_airport_code as code
    from new_fares
    union all
    select
        seen_on,
        load_id,
        'airline' as code_kind,
        airline_code as code
    from new_fares
),

distinct_codes as (
    select distinct
        seen_on,
        code_kind,
        code,
        load_id
    from codes
)

select * from distinct_codes
