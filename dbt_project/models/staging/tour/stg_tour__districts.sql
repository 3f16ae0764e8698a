with

source as (
    select * from {{ source('staging_tour', 'districts') }}
),

ranked as (
    select
        *,
        {{ recency_rank(['region', 'district']) }} as recency_rank
    from source
),

renamed as (
    select
        region as region_code,
        district as district_code,
        region_name,
        district_name,
        logical_date
    from ranked
    where recency_rank = 1
)

select * from renamed
