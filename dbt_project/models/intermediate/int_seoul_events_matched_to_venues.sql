{#- Dist: 20,000 rows, joined only to the cultural events. Sort: the key they join on. -#}
{{ config(dist='all', sort='event_code') }}

with

event_places as (
    select * from {{ ref('int_seoul_event_places_cleaned') }}
    where place_kind in ('house', 'room')
),

spans as (
    select * from {{ ref('int_seoul_event_places_split') }}
    where not is_direction
),

known_names as (
    select * from {{ ref('int_venue_names_keyed') }}
),

named_spans as (
    select
        spans.place,
        spans.start_rank,
        spans.span,
        nullif(
            coalesce(known_names.hall_name || ' ', '') || coalesce(spans.rest, ''), ''
        ) as rest,
        known_names.hall_name is not null as is_hall,
        known_names.venue_id,
        known_names.district_id,
        known_names.longitude,
        known_names.latitude,
        length(known_names.name_key) as name_length
    from spans
    inner join known_names on spans.name_key = known_names.name_key
),

candidates as (
    select
        event_places.event_code,
        named_spans.venue_id,
        named_spans.span as venue_name,
        trim(named_spans.rest) as hall_name,
        named_spans.start_rank,
        named_spans.name_length,
        named_spans.is_hall,
        event_places.district_id as event_district_id,
        event_places.district_id = named_spans.district_id as is_same_district,
        {{
            haversine_distance_m(
                'event_places.longitude',
                'event_places.latitude',
                'named_spans.longitude',
                'named_spans.latitude',
            )
        }} as distance_m
    from event_places
    inner join named_spans on event_places.place = named_spans.place
),

-- The name that comes first in the text, and the longest of those that begin there. A hall belongs
-- to its house.
ranked_candidates as (
    select
        event_code,
        venue_id,
        venue_name,
        hall_name,
        row_number() over (
            partition by event_code
            order by
                start_rank asc,
                name_length desc,
                case when is_hall then 0 else 1 end asc,
                case when is_same_district then 0 else 1 end asc,
                coalesce(distance_m, 1000000) asc,
                venue_id asc
        ) as venue_rank
    from candidates
    where
        is_same_district
        or event_district_id = 'unknown'
        or distance_m <= {{ var('same_event_distance_m') }}
),

matched as (
    select
        event_code,
        venue_id,
        venue_name,
        hall_name
    from ranked_candidates
    where venue_rank = 1
)

select * from matched
