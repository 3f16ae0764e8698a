with

source as (
    select * from {{ source('staging_incheon', 'airports') }}
),

ranked as (
    select
        *,
        {{ recency_rank(['airport']) }} as recency_rank
    from source
),

newest as (
    select max(logical_date) as logical_date
    from source
),

renamed as (
    select
        ranked.airport as airport_code,
        ranked.airport_name as name_ko,
        ranked.country_name as country_ko,
        ranked.logical_date = newest.logical_date as is_served,
        ranked.logical_date
    from ranked
    cross join newest
    where ranked.recency_rank = 1
)

select * from renamed
