with

source as (
    select * from {{ source('staging_incheon', 'schedules') }}
),

ranked as (
    select
        *,
        {{ recency_rank(['direction', 'flight_id', 'airport', 'first_date', 'weekdays']) }}
            as recency_rank
    from source
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
    from ranked
    where recency_rank = 1
)

select * from renamed
