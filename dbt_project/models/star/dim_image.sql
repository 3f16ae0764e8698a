{#- Dist: joined to its owner, which is on every node or spreads evenly. Sort: the same key. -#}
{{ config(dist='owner_id', sort=['owner_kind', 'owner_id']) }}

with

records as (
    select * from {{ ref('int_image_records') }}
),

-- Records of several languages often share an image, under one number or another.
ranked as (
    select
        *,
        row_number() over (
            partition by owner_kind, owner_id, serial_number
            order by precedence, record_id
        ) as serial_rank,
        row_number() over (
            partition by owner_kind, owner_id, split_part(image_url, '://', 2)
            order by precedence, record_id, sort_text, serial_number
        ) as url_rank
    from records
),

distinct_images as (
    select * from ranked
    where
        serial_rank = 1
        and url_rank = 1
),

images as (
    select
        owner_kind,
        owner_id,
        serial_number,
        case when owner_kind = 'attraction' then owner_id end as place_id,
        case when owner_kind = 'lodging' then owner_id end as lodging_id,
        case when owner_kind = 'event' then owner_id end as event_id,
        cast(
            row_number() over (
                partition by owner_kind, owner_id
                order by precedence, record_id, sort_text, serial_number
            ) as integer
        ) as image_rank,
        source,
        image_url,
        thumbnail_url,
        image_name,
        copyright_type,
        logical_date
    from distinct_images
)

select * from images
