{#- Counts of what a district has by kind, which one select can't give of four tables. Rebuilt every
    time: a few hundred rows, any of which a load may change. Dist: joined with the districts.
    Sort: the key of that join. -#}
{{ config(dist='all', sort='district_id') }}

with

districts as (
    select * from {{ ref('dim_district') }}
),

places as (
    select * from {{ ref('dim_place') }}
),

venues as (
    select * from {{ ref('dim_venue') }}
),

lodgings as (
    select * from {{ ref('dim_lodging') }}
),

upcoming as (
    select * from {{ ref('freq_upcoming_event_day') }}
),

records as (
    select
        district_id,
        'attractions' as subject,
        kind,
        place_id as record_id
    from places
    where
        is_listed
        and not is_clinic

    union all

    select
        district_id,
        'venues' as subject,
        coalesce(venue_kind_en, 'not said') as kind,
        venue_id as record_id
    from venues
    where venue_id not in ('online', 'unknown', 'various')

    union all

    select
        district_id,
        'lodgings' as subject,
        coalesce(licence_kind, 'not said') as kind,
        lodging_id as record_id
    from lodgings
    where is_listed

    union all

    select
        district_id,
        'events' as subject,
        genre_en as kind,
        event_id as record_id
    from upcoming
),

counted as (
    select
        records.district_id,
        records.subject,
        records.kind,
        districts.name_en as district_en,
        cast(count(distinct records.record_id) as integer) as record_count,
        cast(
            1.0 * count(distinct records.record_id) / nullif(districts.area_km2, 0)
            as numeric(12, 4)
        ) as count_per_km2
    from records
    inner join districts on records.district_id = districts.district_id
    group by
        records.district_id,
        records.subject,
        records.kind,
        districts.name_en,
        districts.area_km2
)

select * from counted
