{%- set columns = [
    'language_code', 'content_id', 'content_type_id', 'region_code', 'district_code', 'class_code',
    'group_code', 'category_code', 'legacy_area_code', 'legacy_district_code', 'title', 'address',
    'address_detail', 'zip_code', 'image_url', 'thumbnail_url', 'copyright_type', 'phone',
    'longitude', 'latitude', 'created_at', 'modified_at', 'loaded_on',
] -%}

with

places as (
    select
        {{ columns | join(',\n        ') }},
        1 as table_rank
    from {{ ref('stg_tour__places') }}
),

festivals as (
    select
        {{ columns | join(',\n        ') }},
        2 as table_rank
    from {{ ref('stg_tour__festivals') }}
),

stays as (
    select
        {{ columns | join(',\n        ') }},
        3 as table_rank
    from {{ ref('stg_tour__stays') }}
),

unioned as (
    select * from places
    union all
    select * from festivals
    union all
    select * from stays
),

-- A festival or a stay is in the list of places too: the newest of its answers counts.
ranked as (
    select
        *,
        row_number() over (
            partition by language_code, content_id
            order by loaded_on desc, modified_at desc, table_rank desc
        ) as version_rank
    from unioned
),

newest as (
    select
        {{ columns | join(',\n        ') }}
    from ranked
    where version_rank = 1
)

select * from newest
