{#- Dist: read by the next model, so any key that spreads evenly will do. Sort: the same key. -#}
{{ config(dist='owner_id', sort='owner_id') }}

with

tour_images as (
    select * from {{ ref('stg_tour__images') }}
),

tour_records as (
    select * from {{ ref('int_tour_records_matched') }}
),

tour_places as (
    select * from {{ ref('int_tour_places_merged') }}
),

performance_details as (
    select * from {{ ref('stg_kopis__performance_details') }}
),

lodging_matches as (
    select * from {{ ref('int_lodging_records_matched') }}
    where source = 'tour'
),

event_matches as (
    select * from {{ ref('int_event_records_matched') }}
),

-- The first image of a place is its own column, and not among the further ones.
place_images as (
    select
        tour_records.place_id,
        tour_records.subject,
        tour_images.language_code,
        tour_images.language_code || '-' || tour_images.content_id as record_id,
        tour_images.serial_number,
        tour_images.image_url,
        tour_images.thumbnail_url,
        tour_images.image_name,
        tour_images.copyright_type,
        tour_images.logical_date
    from tour_images
    inner join tour_records
        on
            tour_images.language_code = tour_records.language_code
            and tour_images.content_id = tour_records.content_id
    inner join tour_places on tour_records.place_id = tour_places.place_id
    where
        tour_places.image_url is null
        or split_part(tour_images.image_url, '://', 2)
        <> split_part(tour_places.image_url, '://', 2)
),

-- KOPIS lists up to five images of a performance, without numbers or a licence.
performance_images as (
    {%- for position in range(10) %}
        select
            performance_id,
            {{ position + 1 }} as image_number,
            {{ json_array_text('intro_image_urls', position) }} as image_url,
            logical_date
        from performance_details
        where {{ json_array_text('intro_image_urls', position) }} is not null
        {%- if not loop.last %}
            union all
        {%- endif %}
    {%- endfor %}
),

records as (
    select
        'tour' as source,
        case place_images.subject
            when 'place' then 'attraction'
            when 'lodging' then 'lodging'
            else 'event'
        end as owner_kind,
        case place_images.subject
            when 'place' then place_images.place_id
            when 'lodging' then lodging_matches.lodging_id
            else event_matches.event_id
        end as owner_id,
        place_images.record_id,
        place_images.serial_number,
        case place_images.language_code when 'ko' then 1 when 'en' then 2 else 3 end
            as precedence,
        -- '3487594_5' is the fifth image of its record.
        lpad(split_part(place_images.serial_number, '_', 2), 6, '0') as sort_text,
        place_images.image_url,
        place_images.thumbnail_url,
        place_images.image_name,
        place_images.copyright_type,
        place_images.logical_date
    from place_images
    left join lodging_matches on place_images.place_id = lodging_matches.record_id
    left join event_matches on 'tour-' || place_images.place_id = event_matches.record_id
    union all
    select
        'kopis' as source,
        'event' as owner_kind,
        event_matches.event_id as owner_id,
        performance_images.performance_id as record_id,
        performance_images.performance_id
        || '_' || cast(performance_images.image_number as varchar(2)) as serial_number,
        4 as precedence,
        lpad(cast(performance_images.image_number as varchar(2)), 6, '0') as sort_text,
        performance_images.image_url,
        null as thumbnail_url,
        null as image_name,
        null as copyright_type,
        performance_images.logical_date
    from performance_images
    inner join event_matches
        on 'kopis-' || performance_images.performance_id = event_matches.record_id
)

select * from records
where owner_id is not null
