{#- Dist: a few thousand rows. Sort: queries select lodgings by district. -#}
{{ config(dist='all', sort=['district_id', 'lodging_id']) }}

with

tour_places as (
    select * from {{ ref('int_tour_places_merged') }}
),

intros as (
    select * from {{ ref('int_tour_intros_merged') }}
),

licences as (
    select * from {{ ref('stg_seoul__lodgings') }}
),

matches as (
    select * from {{ ref('int_lodging_records_matched') }}
),

record_districts as (
    select * from {{ ref('int_records_assigned_to_districts') }}
),

stays as (
    select
        matches.lodging_id,
        matches.also_in,
        tour_places.*,
        tour_places.address_en || coalesce(' ' || tour_places.address_detail_en, '')
            as full_address_en,
        tour_places.address_ko || coalesce(' ' || tour_places.address_detail_ko, '')
            as full_address_ko,
        intros.parking_en,
        intros.parking_ko,
        intros.parking_ja,
        intros.parking_zh,
        intros.rooms_en,
        intros.rooms_ko,
        intros.rooms_ja,
        intros.rooms_zh,
        intros.facilities_en,
        intros.facilities_ko,
        intros.facilities_ja,
        intros.facilities_zh,
        intros.contact,
        intros.check_in,
        intros.check_out,
        intros.reservation,
        intros.reservation_url
    from tour_places
    inner join matches
        on
            tour_places.place_id = matches.record_id
            and matches.source = 'tour'
    left join intros on tour_places.place_id = intros.place_id
    where matches.is_first
),

licensed as (
    select
        matches.lodging_id,
        matches.also_in,
        licences.*,
        record_districts.district_id,
        record_districts.district_source
    from licences
    inner join matches
        on
            licences.licence_no = matches.record_id
            and matches.source = 'seoul'
    inner join record_districts
        on
            licences.licence_no = record_districts.record_id
            and record_districts.source = 'seoul_lodging'
    where matches.is_first
),

-- TourAPI's values take precedence. The licence fills what TourAPI lacks.
lodgings as (
    select
        coalesce(stays.lodging_id, licensed.lodging_id) as lodging_id,
        case when stays.lodging_id is not null then 'tour' else 'seoul' end as source,
        coalesce(stays.also_in, licensed.also_in) as also_in,
        stays.content_id_en,
        stays.content_id_ko,
        licensed.licence_no,
        licensed.licence_kind,
        coalesce(stays.category_id, 'unknown') as category_id,
        case
            when stays.district_id is null or stays.district_id = 'unknown'
                then coalesce(licensed.district_id, stays.district_id)
            else stays.district_id
        end as district_id,
        case
            when stays.district_id is null or stays.district_id = 'unknown'
                then coalesce(licensed.district_source, stays.district_source)
            else stays.district_source
        end as district_source,
        coalesce(stays.title_en, licensed.name_en) as title_en,
        coalesce(stays.title_ko, licensed.name) as title_ko,
        stays.title_ja,
        stays.title_zh,
        stays.full_address_en as address_en,
        coalesce(stays.full_address_ko, licensed.road_address, licensed.lot_address) as address_ko,
        coalesce(stays.zip_code, licensed.road_zip_code) as zip_code,
        coalesce(stays.phone, licensed.phone) as phone,
        licensed.room_count,
        coalesce(stays.longitude, licensed.longitude) as longitude,
        coalesce(stays.latitude, licensed.latitude) as latitude,
        stays.image_url,
        stays.thumbnail_url,
        stays.copyright_type,
        stays.overview_en as description_en,
        stays.overview_ko as description_ko,
        stays.overview_ja as description_ja,
        stays.overview_zh as description_zh,
        stays.parking_en,
        stays.parking_ko,
        stays.parking_ja,
        stays.parking_zh,
        stays.rooms_en,
        stays.rooms_ko,
        stays.rooms_ja,
        stays.rooms_zh,
        stays.facilities_en,
        stays.facilities_ko,
        stays.facilities_ja,
        stays.facilities_zh,
        stays.homepage_url,
        stays.contact,
        stays.check_in,
        stays.check_out,
        stays.reservation,
        stays.reservation_url,
        -- A lodging that TourAPI removed remains while it has a licence.
        coalesce(stays.is_listed, true) or licensed.lodging_id is not null as is_listed,
        stays.created_at,
        coalesce(stays.modified_at, licensed.modified_at) as modified_at,
        coalesce(stays.logical_date, licensed.logical_date) as logical_date
    from stays
    full outer join licensed on stays.lodging_id = licensed.lodging_id
)

select * from lodgings
