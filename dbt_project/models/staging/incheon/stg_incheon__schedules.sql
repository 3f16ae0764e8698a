with

source as (
    select * from {{ source('staging_incheon', 'schedules') }}
),

newest as (
    {{ select_newest('source', ['direction', 'flight_id', 'airport', 'first_date', 'weekdays']) }}
),

renamed as (
    select
        direction,
        flight_id,
        airport as airport_code,
        substring(flight_id, 1, 2) as airline_code,
        first_date as first_on,
        last_date as last_on,
        weekdays,
        substring(scheduled_time, 1, 2) || ':' || substring(scheduled_time, 3, 2) as local_time,
        season,
        airline_name,
        airport_name,
        logical_date
    from newest
)

select * from renamed
