{#- Dist: joined to the events of the city alone, 20,000 rows. Sort: the key they join on. -#}
{{ config(dist='all', sort='event_code') }}

with

events as (
    select * from {{ ref('stg_seoul__cultural_events') }}
),

spaces as (
    select * from {{ ref('stg_seoul__cultural_spaces') }}
),

kopis_venues as (
    select * from {{ ref('stg_kopis__venues') }}
),

kopis_venue_details as (
    select * from {{ ref('stg_kopis__venue_details') }}
),

space_venues as (
    select * from {{ ref('int_seoul_spaces_matched') }}
),

record_districts as (
    select * from {{ ref('int_records_assigned_to_districts') }}
),

positions as (
    {{ dbt.generate_series(100) }}
),

named as (
    select
        'kopis-' || kopis_venues.venue_id as venue_id,
        kopis_venues.venue_name as name_ko,
        record_districts.district_id,
        details.longitude,
        details.latitude
    from kopis_venues
    inner join record_districts
        on
            kopis_venues.venue_id = record_districts.record_id
            and record_districts.source = 'kopis'
    left join kopis_venue_details as details on kopis_venues.venue_id = details.venue_id
    union all
    select
        space_venues.venue_id,
        spaces.space_name as name_ko,
        record_districts.district_id,
        spaces.longitude,
        spaces.latitude
    from spaces
    inner join space_venues on spaces.space_no = space_venues.space_no
    inner join record_districts
        on
            spaces.space_no = record_districts.record_id
            and record_districts.source = 'seoul_space'
),

keyed_names as (
    select
        venue_id,
        district_id,
        longitude,
        latitude,
        {{ name_key('name_ko') }} as name_key
    from named
    where district_id <> 'outside'
    union all
    select
        venue_id,
        district_id,
        longitude,
        latitude,
        {{ name_key_without_brackets('name_ko') }} as name_key
    from named
    where district_id <> 'outside'
),

known_names as (
    select distinct
        venue_id,
        district_id,
        longitude,
        latitude,
        name_key
    from keyed_names
    where length(name_key) >= 2
),

placed_events as (
    select
        events.event_code,
        events.longitude,
        events.latitude,
        record_districts.district_id,
        replace(
            replace(trim(translate(events.place, '()[]<>,/', '        ')), '   ', ' '), '  ', ' '
        ) as place
    from events
    inner join record_districts
        on
            events.event_code = record_districts.record_id
            and record_districts.source = 'seoul_event'
),

-- From here on texts that many events share are looked at once.
places as (
    select distinct place
    from placed_events
    where place is not null
),

-- '서울 삼성동 코엑스 1층 B홀': the name may come after the city and the neighbourhood.
starts as (
    select
        places.place,
        positions.generated_number as start_position,
        row_number() over (
            partition by places.place order by positions.generated_number
        ) as start_rank
    from places
    inner join positions
        on
            length(places.place) > positions.generated_number
            and (
                positions.generated_number = 1
                or substring(
                    places.place, cast(positions.generated_number - 1 as integer), 1
                ) = ' '
            )
),

tails as (
    select
        place,
        start_rank,
        substring(place, cast(start_position as integer)) as tail
    from starts
    where start_rank <= 3
),

-- Whole words only: '강남구청소년수련관' is not at '강남구청'.
spans as (
    select
        tails.place,
        tails.start_rank,
        left(tails.tail, cast(positions.generated_number as integer)) as span,
        {{ name_key('left(tails.tail, cast(positions.generated_number as integer))') }} as name_key,
        nullif(
            trim(substring(tails.tail, cast(positions.generated_number + 1 as integer))), ''
        ) as rest
    from tails
    inner join positions
        on
            length(tails.tail) >= positions.generated_number
            and (
                length(tails.tail) = positions.generated_number
                or substring(tails.tail, cast(positions.generated_number + 1 as integer), 1) = ' '
            )
),

found_names as (
    select
        spans.place,
        spans.start_rank,
        spans.span,
        spans.rest,
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
        placed_events.event_code,
        found_names.venue_id,
        found_names.span as venue_name,
        found_names.rest as hall_name,
        found_names.start_rank,
        found_names.name_length,
        case when placed_events.district_id = found_names.district_id then 0 else 1 end as is_other,
        placed_events.district_id as event_district_id,
        {{
            haversine_distance_m(
                'placed_events.longitude',
                'placed_events.latitude',
                'found_names.longitude',
                'found_names.latitude',
            )
        }} as distance_m
    from placed_events
    inner join found_names on placed_events.place = found_names.place
),

-- The name that comes first, and of two that begin there the longer one.
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
                is_other asc,
                coalesce(distance_m, 1000000) asc,
                venue_id asc
        ) as venue_rank
    from candidates
    where
        is_other = 0
        or event_district_id = 'unknown'
        or distance_m <= {{ var('same_event_distance_m') }}
),

known_venues as (
    select * from ranked_candidates
    where venue_rank = 1
),

-- Places that no list has. '청계천박물관 교육실' is at '청계천박물관' where another event of the
-- district is there by itself; a few letters, '1층', are no name.
new_places as (
    select distinct
        placed_events.place,
        placed_events.district_id,
        {{ name_key('placed_events.place') }} as name_key
    from placed_events
    left join known_venues on placed_events.event_code = known_venues.event_code
    where known_venues.event_code is null
),

ranked_roots as (
    select
        new_places.place,
        new_places.district_id,
        spans.name_key,
        spans.span,
        spans.rest,
        row_number() over (
            partition by new_places.place, new_places.district_id
            order by length(spans.name_key), length(spans.span)
        ) as root_rank
    from new_places
    inner join spans
        on
            new_places.place = spans.place
            and spans.start_rank = 1
    inner join new_places as roots
        on
            spans.name_key = roots.name_key
            and new_places.district_id = roots.district_id
    where
        length(spans.name_key) >= 4
        or spans.name_key = new_places.name_key
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

decided as (
    select
        placed_events.event_code,
        coalesce(known_venues.venue_id, new_venues.venue_id, 'unknown') as venue_id,
        case
            when known_venues.venue_id is not null then known_venues.venue_name
            else new_venues.venue_name
        end as venue_name,
        case
            when known_venues.venue_id is not null then known_venues.hall_name
            else new_venues.hall_name
        end as hall_name,
        known_venues.venue_id is not null as is_known_venue
    from placed_events
    left join known_venues on placed_events.event_code = known_venues.event_code
    left join new_venues
        on
            placed_events.place = new_venues.place
            and placed_events.district_id = new_venues.district_id
)

select * from decided
