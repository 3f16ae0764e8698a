{#- Dist: tens of thousands of rows, which the export reads by key. Sort: that key. -#}
{{ config(dist='owner_id', sort=['owner_kind', 'owner_id', 'serial_number']) }}

with

images as (
    select * from {{ ref('dim_image') }}
),

attractions as (
    select * from {{ ref('rds_attractions') }}
),

lodgings as (
    select * from {{ ref('rds_lodgings') }}
),

events as (
    select * from {{ ref('rds_events') }}
),

-- Images of what is on the website. One of the three ids is filled, so that each is a foreign key.
served as (
    select
        images.owner_kind || '-' || images.owner_id || '-' || images.serial_number as image_id,
        images.owner_kind,
        images.owner_id,
        images.serial_number,
        attractions.place_id,
        lodgings.lodging_id,
        events.event_id,
        images.image_rank,
        images.source,
        {{ attribution('images.source') }} as attribution,
        images.image_url,
        images.thumbnail_url,
        images.image_name,
        images.copyright_type,
        {{ image_licence('images.source', 'images.copyright_type') }} as image_licence
    from images
    left join attractions on images.place_id = attractions.place_id
    left join lodgings on images.lodging_id = lodgings.lodging_id
    left join events on images.event_id = events.event_id
    where coalesce(attractions.place_id, lodgings.lodging_id, events.event_id) is not null
)

select * from served
