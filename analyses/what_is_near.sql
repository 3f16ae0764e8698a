-- What a guest finds within walking distance of a point: by default 500 metres around City Hall.
-- dbt show --select what_is_near --vars '{longitude: 127.0276, latitude: 37.4979, metres: 300}'

{%- set lon = var('longitude', 126.9780) -%}
{%- set lat = var('latitude', 37.5665) -%}
{%- set metres = var('metres', 500) %}

with

places as (
    select * from {{ ref('dim_place') }}
),

lodgings as (
    select * from {{ ref('dim_lodging') }}
),

venues as (
    select * from {{ ref('dim_venue') }}
),

points as (
    select
        kind,
        place_id as item_id,
        title_en as name_en,
        title_ko as name_ko,
        longitude,
        latitude
    from places
    where is_listed
    union all
    select
        'lodging' as kind,
        lodging_id as item_id,
        title_en as name_en,
        title_ko as name_ko,
        longitude,
        latitude
    from lodgings
    where is_listed
    union all
    select
        'venue' as kind,
        venue_id as item_id,
        name_en,
        name_ko,
        longitude,
        latitude
    from venues
),

nearby as (
    select
        kind,
        item_id,
        name_en,
        name_ko,
        cast(
            round({{ haversine_distance_m('longitude', 'latitude', lon, lat) }}) as integer
        ) as distance_m
    from points
    where {{ near(lon, lat, metres) }}
)

select * from nearby
order by distance_m asc, item_id asc
