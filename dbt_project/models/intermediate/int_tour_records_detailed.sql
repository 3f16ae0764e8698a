{#- Dist: a few thousand rows, copied to every node. Sort: the place, by which they are merged. -#}
{{ config(dist='all', sort='place_id') }}

with

matches as (
    select * from {{ ref('int_tour_records_matched') }}
),

records as (
    select * from {{ ref('stg_tour__records') }}
),

details as (
    select * from {{ ref('stg_tour__place_details') }}
),

record_districts as (
    select * from {{ ref('int_records_assigned_to_districts') }}
),

categories as (
    select * from {{ ref('stg_tour__categories') }}
),

-- Each row of the list names one category per level.
category_levels as (
    select category_code as category_id from categories
    union all
    select group_code as category_id from categories
    union all
    select class_code as category_id from categories
),

known_categories as (
    select distinct category_id
    from category_levels
),

detailed as (
    select
        matches.language_code,
        matches.content_id,
        matches.place_id,
        matches.kind,
        matches.subject,
        matches.is_leading,
        matches.title_en,
        matches.title_ko,
        matches.title_ja,
        matches.title_zh,
        -- The narrowest level that the list of categories has.
        coalesce(
            narrow.category_id, middle.category_id, wide.category_id, 'unknown'
        ) as category_id,
        -- The source lists clinics among its attractions and its shops.
        {{
            is_medical(
                'records.category_code', 'records.group_code', 'records.content_type_id',
                'records.title'
            )
        }} as is_clinic,
        records.group_code,
        record_districts.district_id,
        record_districts.district_source,
        records.address,
        records.address_detail,
        records.zip_code,
        records.phone,
        details.phone as detail_phone,
        records.longitude,
        records.latitude,
        records.image_url,
        records.thumbnail_url,
        records.copyright_type,
        details.overview,
        details.homepage_url,
        records.is_listed,
        records.removed_on,
        records.created_at,
        records.modified_at,
        records.logical_date
    from matches
    inner join records
        on
            matches.language_code = records.language_code
            and matches.content_id = records.content_id
    left join details
        on
            matches.language_code = details.language_code
            and matches.content_id = details.content_id
    left join record_districts
        on
            'tour_' || matches.language_code = record_districts.source
            and matches.content_id = record_districts.record_id
    left join known_categories as narrow on records.category_code = narrow.category_id
    left join known_categories as middle on records.group_code = middle.category_id
    left join known_categories as wide on records.class_code = wide.category_id
)

select * from detailed
