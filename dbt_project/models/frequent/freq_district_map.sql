{#- What maps of the districts colour, beside the shape of each. Rebuilt every time: 25 rows, any of
    which a load may change. Dist: a few rows. Sort: the key by which maps look a district up. -#}
{{ config(dist='all', sort='district_id') }}

with

shapes as (
    select * from {{ ref('district_shapes') }}
),

districts as (
    select * from {{ ref('dim_district') }}
),

glances as (
    select * from {{ ref('freq_district_glance') }}
),

per_km2 as (
    select
        districts.district_id,
        districts.name_en as district_en,
        shapes.ring,
        shapes.label_x,
        shapes.label_y,
        districts.area_km2,
        cast(1.0 * glances.attraction_count / districts.area_km2 as numeric(12, 4))
            as attractions_per_km2,
        cast(1.0 * glances.lodging_count / districts.area_km2 as numeric(12, 4))
            as lodgings_per_km2,
        cast(1.0 * glances.venue_count / districts.area_km2 as numeric(12, 4)) as venues_per_km2,
        cast(1.0 * glances.upcoming_event_count / districts.area_km2 as numeric(12, 4))
            as events_per_km2
    from districts
    inner join shapes on districts.district_id = shapes.district_id
    inner join glances on districts.district_id = glances.district_id
)

select * from per_km2
