-- Districts of Seoul (region 11) in TourAPI's list that the seed lacks. Add a new district to
-- seeds/districts.csv.
with

listed as (
    select * from {{ ref('stg_tour__districts') }}
),

seed as (
    select * from {{ ref('districts') }}
),

unknown as (
    select
        listed.region_code,
        listed.district_code,
        listed.district_name
    from listed
    left join seed
        on
            listed.region_code = seed.tour_region
            and listed.district_code = seed.tour_district
    where
        listed.region_code = '11'
        and seed.district_id is null
)

select * from unknown
