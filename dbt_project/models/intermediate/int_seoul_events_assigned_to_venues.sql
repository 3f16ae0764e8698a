{#- Dist: 20,000 rows, joined only to the cultural events. Sort: the key they join on. -#}
{{ config(dist='all', sort='event_code') }}

with

event_places as (
    select * from {{ ref('int_seoul_event_places_cleaned') }}
),

spans as (
    select * from {{ ref('int_seoul_event_places_split') }}
),

known_venues as (
    select * from {{ ref('int_seoul_events_matched_to_venues') }}
),

new_places as (
    select distinct
        event_places.place,
        event_places.district_id,
        {{ name_key('event_places.place') }} as name_key
    from event_places
    left join known_venues on event_places.event_code = known_venues.event_code
    where
        known_venues.event_code is null
        and event_places.place_kind = 'house'
),

-- A place that is not in any list becomes a venue. '청계천박물관 교육실' is at '청계천박물관', since a
-- room follows, or if another event of the district has '청계천박물관' as its entire place. A few
-- letters, '1층', are not a name.
ranked_roots as (
    select
        new_places.place,
        new_places.district_id,
        spans.name_key,
        spans.span,
        spans.rest,
        row_number() over (
            partition by new_places.place, new_places.district_id
            order by length(spans.name_key), spans.span_length
        ) as root_rank
    from new_places
    inner join spans
        on
            new_places.place = spans.place
            and spans.start_rank = 1
    left join new_places as roots
        on
            spans.name_key = roots.name_key
            and new_places.district_id = roots.district_id
    where
        spans.name_key = new_places.name_key
        or (length(spans.name_key) >= 4 and roots.place is not null)
        or (length(spans.name_key) >= 2 and spans.is_before_room and not spans.is_direction)
),

new_venues as (
    select
        place,
        district_id,
        'seoul-place-' || md5(name_key || '|' || district_id) as venue_id,
        span as venue_name,
        rest as hall_name
    from ranked_roots
    where root_rank = 1
),

assigned as (
    select
        event_places.event_code,
        coalesce(
            known_venues.venue_id,
            new_venues.venue_id,
            case event_places.place_kind
                when 'online' then 'online'
                when 'various' then 'various'
            end,
            'unknown'
        ) as venue_id,
        case
            when known_venues.venue_id is not null then known_venues.venue_name
            else new_venues.venue_name
        end as venue_name,
        case
            when known_venues.venue_id is not null then known_venues.hall_name
            when new_venues.venue_id is not null then new_venues.hall_name
            else event_places.place
        end as hall_name,
        known_venues.venue_id is not null as is_known_venue
    from event_places
    left join known_venues on event_places.event_code = known_venues.event_code
    left join new_venues
        on
            event_places.place = new_venues.place
            and event_places.district_id = new_venues.district_id
)

select * from assigned
