{#- Dist: a few thousand rows, copied to every node. Sort: the key that the next models join on. -#}
{{ config(dist='all', sort='place_id') }}

with

bridge as (
    select * from {{ ref('bridge_tour_record') }}
),

records as (
    select * from {{ ref('stg_tour__records') }}
),

record_districts as (
    select * from {{ ref('bridge_record_district') }}
),

categories as (
    select * from {{ ref('dim_category') }}
),

bridged as (
    select
        records.*,
        bridge.place_id,
        bridge.kind,
        bridge.subject,
        bridge.title_en,
        bridge.title_ko,
        bridge.is_leading
    from bridge
    inner join records
        on
            bridge.language_code = records.language_code
            and bridge.content_id = records.content_id
),

english as (
    select * from bridged
    where language_code = 'en'
),

korean as (
    select * from bridged
    where language_code = 'ko'
),

-- Of twins the Korean record leads: it has the codes that the English one often lacks.
leaders as (
    select
        bridged.place_id,
        bridged.kind,
        bridged.subject,
        bridged.group_code,
        bridged.created_at,
        bridged.modified_at,
        bridged.loaded_on,
        record_districts.district_id,
        record_districts.district_source,
        -- The narrowest level of the classification that the list of categories knows.
        coalesce(
            narrow.category_id, middle.category_id, wide.category_id, 'unknown'
        ) as category_id
    from bridged
    left join record_districts
        on
            'tour_' || bridged.language_code = record_districts.source
            and bridged.content_id = record_districts.record_id
    left join categories as narrow on bridged.category_code = narrow.category_id
    left join categories as middle on bridged.group_code = middle.category_id
    left join categories as wide on bridged.class_code = wide.category_id
    where bridged.is_leading
),

merged as (
    select
        leaders.place_id,
        leaders.kind,
        leaders.subject,
        leaders.category_id,
        leaders.group_code,
        leaders.district_id,
        leaders.district_source,
        english.content_id as content_id_en,
        korean.content_id as content_id_ko,
        english.title_en,
        coalesce(korean.title_ko, english.title_ko) as title_ko,
        english.address as address_en,
        english.address_detail as address_detail_en,
        korean.address as address_ko,
        korean.address_detail as address_detail_ko,
        coalesce(korean.zip_code, english.zip_code) as zip_code,
        coalesce(korean.phone, english.phone) as phone,
        coalesce(korean.longitude, english.longitude) as longitude,
        coalesce(korean.latitude, english.latitude) as latitude,
        -- An image goes with its own copyright.
        coalesce(korean.image_url, english.image_url) as image_url,
        case
            when korean.image_url is not null then korean.thumbnail_url else english.thumbnail_url
        end as thumbnail_url,
        case
            when korean.image_url is not null then korean.copyright_type else english.copyright_type
        end as copyright_type,
        leaders.created_at,
        leaders.modified_at,
        leaders.loaded_on
    from leaders
    left join english on leaders.place_id = english.place_id
    left join korean on leaders.place_id = korean.place_id
),

-- A festival has no venue of its own: the spot that it names is one, the same for all that name it.
with_venue as (
    select
        *,
        case
            when subject <> 'festival' then null
            when
                coalesce(address_ko, address_detail_ko, address_en, address_detail_en) is null
                then 'unknown'
            else
                'tour-'
                || md5(
                    coalesce(address_ko, address_en, '')
                    || '|'
                    || coalesce(address_detail_ko, address_detail_en, '')
                )
        end as venue_id
    from merged
)

select * from with_venue
