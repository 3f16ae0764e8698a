-- Where lodgings are: lodgings per square kilometre and per place to see.

with

lodgings as (
    select * from {{ ref('dim_lodging') }}
),

places as (
    select * from {{ ref('dim_place') }}
),

districts as (
    select * from {{ ref('dim_district') }}
),

lodging_counts as (
    select
        district_id,
        count(*) as lodgings
    from lodgings
    group by district_id
),

place_counts as (
    select
        district_id,
        count(*) as places
    from places
    group by district_id
),

density as (
    select
        districts.name_en as district,
        districts.area_km2,
        coalesce(lodging_counts.lodgings, 0) as lodgings,
        coalesce(place_counts.places, 0) as places,
        1.0 * coalesce(lodging_counts.lodgings, 0) / districts.area_km2 as lodgings_per_km2,
        1.0 * coalesce(lodging_counts.lodgings, 0)
        / nullif(place_counts.places, 0) as lodgings_per_place
    from districts
    left join lodging_counts on districts.district_id = lodging_counts.district_id
    left join place_counts on districts.district_id = place_counts.district_id
    where districts.area_km2 is not null
)

select * from density
order by lodgings_per_km2 desc, district asc
