{#- Dist: joined to the records on this key. Sort: the same key. -#}
{{ config(dist='record_id', sort='record_id') }}

with

records as (
    select * from {{ ref('int_event_records_unioned') }}
),

-- The most reliable source has the lowest precedence number.
prioritized as (
    select
        event_id,
        case source when 'kopis' then 1 when 'tour' then 2 else 3 end as precedence,
        title_key,
        starts_on,
        coalesce(ends_on, starts_on) as ends_on,
        nullif(venue_id, 'unknown') as venue_id,
        case when district_id not in ('outside', 'unknown') then district_id end as district_id,
        case when has_point then longitude end as longitude,
        case when has_point then latitude end as latitude
    from records
    where title_key is not null
),

candidates as (
    select
        *,
        cast(precedence as varchar(1)) || event_id as member
    from prioritized
),

-- Rule 1: records of different sources have the same title. Rule 2: their dates overlap.
pairs as (
    select
        candidates.member,
        counterparts.member as neighbour,
        counterparts.precedence as neighbour_precedence,
        candidates.venue_id = counterparts.venue_id as is_same_venue,
        candidates.district_id = counterparts.district_id as is_same_district,
        abs(candidates.starts_on - counterparts.starts_on) as days_apart,
        {{
            haversine_distance_m(
                'candidates.longitude',
                'candidates.latitude',
                'counterparts.longitude',
                'counterparts.latitude',
            )
        }} as distance_m
    from candidates
    inner join candidates as counterparts
        on
            candidates.title_key = counterparts.title_key
            and candidates.precedence > counterparts.precedence
            and candidates.starts_on <= counterparts.ends_on
            and candidates.ends_on >= counterparts.starts_on
),

-- Rule 3: they share a venue, or are near each other, or share a district if one has no
-- coordinates. Rule 4: only the best match in each source counts, since a touring play may also run
-- next door.
ranked_pairs as (
    select
        member,
        neighbour,
        row_number() over (
            partition by member, neighbour_precedence
            order by
                case when is_same_venue then 0 else 1 end,
                coalesce(distance_m, 1000000),
                days_apart,
                neighbour
        ) as neighbour_rank
    from pairs
    where
        is_same_venue
        or distance_m <= {{ var('same_event_distance_m') }}
        or (distance_m is null and is_same_district)
),

links as (
    select
        member,
        neighbour
    from ranked_pairs
    where neighbour_rank = 1
    union all
    select
        neighbour as member,
        member as neighbour
    from ranked_pairs
    where neighbour_rank = 1
),

{{ connected_components_ctes() }},

matched as (
    select
        records.event_id as record_id,
        records.source,
        coalesce(substring(leaders.leader, 2), records.event_id) as event_id
    from records
    left join candidates on records.event_id = candidates.event_id
    left join leaders on candidates.member = leaders.member
)

select * from matched
