with

source as (
    select * from {{ source('staging_kopis', 'venue_details') }}
),

newest as (
    {{ select_newest('source', ['venue_id']) }}
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
        {{ web_address('website_url') }} as website_url,
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
    from newest
)

select * from renamed
