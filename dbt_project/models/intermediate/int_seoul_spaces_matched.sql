{#- Dist: a thousand rows that venues join. Sort: the key they join on. -#}
{{ config(dist='all', sort='space_no') }}

with

spaces as (
    select * from {{ ref('stg_seoul__cultural_spaces') }}
),

kopis_venues as (
    select * from {{ ref('stg_kopis__venues') }}
),

kopis_venue_details as (
    select * from {{ ref('stg_kopis__venue_details') }}
),

record_districts as (
    select * from {{ ref('int_records_assigned_to_districts') }}
),

placed_spaces as (
    select
        spaces.space_no,
        spaces.longitude,
        spaces.latitude,
        record_districts.district_id,
        {{ name_key('spaces.space_name') }} as name_key,
        {{ name_key_without_brackets('spaces.space_name') }} as plain_name_key
    from spaces
    inner join record_districts
        on
            spaces.space_no = record_districts.record_id
            and record_districts.source = 'seoul_space'
),

placed_venues as (
    select
        venues.venue_id,
        details.longitude,
        details.latitude,
        record_districts.district_id,
        {{ name_key('venues.venue_name') }} as name_key,
        {{ name_key_without_brackets('venues.venue_name') }} as plain_name_key
    from kopis_venues as venues
    inner join record_districts
        on
            venues.venue_id = record_districts.record_id
            and record_districts.source = 'kopis'
    left join kopis_venue_details as details on venues.venue_id = details.venue_id
),

pairs as (
    select
        placed_spaces.space_no,
        placed_venues.venue_id,
        placed_spaces.district_id as space_district_id,
        placed_venues.district_id as venue_district_id,
        placed_spaces.name_key = placed_venues.name_key as is_whole_name,
        {{
            haversine_distance_m(
                'placed_spaces.longitude',
                'placed_spaces.latitude',
                'placed_venues.longitude',
                'placed_venues.latitude',
            )
        }} as distance_m
    from placed_spaces
    inner join placed_venues
        on
            placed_spaces.name_key = placed_venues.name_key
            or placed_spaces.plain_name_key = placed_venues.plain_name_key
),

ranked_pairs as (
    select
        space_no,
        venue_id,
        row_number() over (
            partition by space_no
            order by
                case when is_whole_name then 0 else 1 end,
                coalesce(distance_m, 1000000),
                venue_id
        ) as venue_rank
    from pairs
    where
        distance_m <= {{ var('twin_distance_m') }}
        or (
            space_district_id = venue_district_id
            and space_district_id not in ('outside', 'unknown')
            -- Text in brackets may distinguish venues that are far apart.
            and (is_whole_name or distance_m is null)
        )
),

matched as (
    select
        spaces.space_no,
        case
            when ranked_pairs.venue_id is not null then 'kopis-' || ranked_pairs.venue_id
            else 'seoul-' || spaces.space_no
        end as venue_id
    from spaces
    left join ranked_pairs
        on
            spaces.space_no = ranked_pairs.space_no
            and ranked_pairs.venue_rank = 1
)

select * from matched
