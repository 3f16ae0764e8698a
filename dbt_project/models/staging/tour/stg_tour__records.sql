{%- set columns = [
    'language_code', 'content_id', 'content_type_id', 'region_code', 'district_code', 'class_code',
    'group_code', 'category_code', 'legacy_area_code', 'legacy_district_code', 'title', 'address',
    'address_detail', 'zip_code', 'image_url', 'thumbnail_url', 'copyright_type', 'phone',
    'longitude', 'latitude', 'created_at', 'modified_at', 'logical_date',
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

removed_places as (
    select * from {{ ref('stg_tour__removed_places') }}
),

unioned as (
    select * from places
    union all
    select * from festivals
    union all
    select * from stays
),

-- Festivals and stays are in the list of places too. Only the newest row counts.
ranked as (
    select
        *,
        row_number() over (
            partition by language_code, content_id
            order by logical_date desc, modified_at desc nulls last, table_rank desc
        ) as recency_rank
    from unioned
),

newest as (
    select
        {{ columns | join(',\n        ') }}
    from ranked
    where recency_rank = 1
),

-- The newest state counts: a record that is listed again after its removal is listed.
with_removal as (
    select
        newest.{{ columns | join(',\n        newest.') }},
        removed_places.content_id is null as is_listed,
        cast(removed_places.removed_at as date) as removed_on
    from newest
    left join removed_places
        on
            newest.language_code = removed_places.language_code
            and newest.content_id = removed_places.content_id
            and newest.logical_date < removed_places.logical_date
)

select * from with_removal
