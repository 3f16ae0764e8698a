{#- Dist: a few thousand rows. Sort: the export reads all rows by key. -#}
{{ config(dist='all', sort='venue_id') }}

with

venues as (
    select * from {{ ref('dim_venue') }}
),

romanized_names as (
    select * from {{ ref('dim_romanized_name') }}
),

events as (
    select * from {{ ref('fct_event') }}
),

-- The members without a place are served if an event refers to them.
referenced as (
    select distinct venue_id
    from events
),

served as (
    select
        venues.venue_id,
        venues.source,
        {{ attribution('venues.source', 'venues.also_from') }} as attribution,
        venues.name_en,
        venues.name_ko,
        venues.venue_kind,
        venues.venue_kind_en,
        venues.district_id,
        venues.address_en,
        venues.address_ko,
        venues.longitude,
        venues.latitude,
        venues.location_precision,
        venues.phone,
        venues.website_url,
        venues.description,
        venues.opening_hours,
        venues.closed_days,
        venues.fee,
        venues.is_free,
        venues.subway,
        venues.remarks,
        venues.image_url,
        case when venues.image_url is not null then 'seoul' end as image_source,
        case when venues.image_url is not null then {{ image_licence("'seoul'", 'null') }} end
            as image_licence,
        case when venues.image_url is not null then {{ attribution("'seoul'") }} end
            as image_attribution,
        venues.hall_count,
        venues.seat_count,
        venues.has_restaurant,
        venues.has_cafe,
        venues.has_store,
        venues.has_playroom,
        venues.has_nursing_room,
        venues.has_accessible_parking,
        venues.has_accessible_toilet,
        venues.has_ramp,
        venues.has_accessible_lift,
        venues.has_parking
    from venues
    left join referenced on venues.venue_id = referenced.venue_id
    where
        venues.venue_id not in ('online', 'unknown', 'various')
        or referenced.venue_id is not null
),

named as (
    select
        served.*,
        {{ search_text([
            'served.name_en',
            'served.name_ko',
            'romanized_names.name_romanized',
        ]) }} as search_text,
        {{ romanized_columns('name') }}
    from served
    left join romanized_names on served.name_ko = romanized_names.name_ko
)

select * from named
