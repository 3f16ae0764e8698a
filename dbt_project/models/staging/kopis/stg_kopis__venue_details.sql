with

source as (
    select * from {{ source('staging_kopis', 'venue_details') }}
),

ranked as (
    select
        *,
        {{ recency_rank(['venue_id']) }} as recency_rank
    from source
),

renamed as (
    select
        venue_id,
        venue_name,
        venue_kind,
        province,
        district_name,
        address,
        phone,
        website_url,
        halls,
        case when {{ is_in_korea('longitude', 'latitude') }} then longitude end as longitude,
        case when {{ is_in_korea('longitude', 'latitude') }} then latitude end as latitude,
        cast(hall_count as integer) as hall_count,
        cast(seat_count as integer) as seat_count,
        cast(opened_year as integer) as opened_year,
        has_restaurant,
        has_cafe,
        has_store,
        has_playroom,
        has_nursing_room,
        has_accessible_parking,
        has_accessible_toilet,
        has_ramp,
        has_accessible_lift,
        has_parking,
        logical_date
    from ranked
    where recency_rank = 1
)

select * from renamed
