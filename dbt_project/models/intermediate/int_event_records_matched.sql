{#- Dist: joined to the records on this key. Sort: the same key. -#}
{{ config(dist='record_id', sort='record_id') }}

with

records as (
    select * from {{ ref('int_event_records_unioned') }}
),

-- The most reliable source has the lowest precedence number. A record that ends before it starts is
-- not compared.
prioritized as (
    select
        event_id,
        case source when 'kopis' then 1 when 'tour' then 2 else 3 end as precedence,
        replace(title_key, '展', '') as title_key,
        replace({{ title_base_key('title_ko') }}, '展', '') as base_key,
        {{
            name_key(
                regexp_extract(
                    regexp_remove('title_ko', '^ *([[][^]]*[]] *)+'), '[[][^]]*[]]'
                )
            )
        }} as bracket_key,
        {{ regexp_remove(regexp_extract('title_ko', '[0-9]+ ?회'), '[^0-9]+') }} as edition,
        starts_on,
        coalesce(ends_on, starts_on) as ends_on,
        case when venue_id not in ('online', 'unknown', 'various') then venue_id end as venue_id,
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

{{ event_pair_ctes() }},

-- Only the best match in each source counts, since a touring play may also run next door.
ranked_pairs as (
    select
        member,
        neighbour,
        row_number() over (
            partition by member, neighbour_precedence
            order by
                case when is_same_title then 0 else 1 end,
                case when is_same_venue then 0 else 1 end,
                coalesce(distance_m, 1000000),
                days_apart,
                neighbour
        ) as neighbour_rank
    from pairs
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
