{#- Dist: a few thousand rows, joined by name. Sort: the name. -#}
{{ config(dist='all', sort='name_key') }}

with

kopis_venues as (
    select * from {{ ref('stg_kopis__venues') }}
),

kopis_venue_details as (
    select * from {{ ref('stg_kopis__venue_details') }}
),

spaces as (
    select * from {{ ref('stg_seoul__cultural_spaces') }}
),

space_venues as (
    select * from {{ ref('int_seoul_spaces_matched') }}
),

record_districts as (
    select * from {{ ref('int_records_assigned_to_districts') }}
),

named as (
    select
        record_districts.source,
        record_districts.record_id,
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
        record_districts.source,
        record_districts.record_id,
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

-- A venue is known by its full name and by its name without brackets.
keyed as (
    select
        *,
        {{ name_key('name_ko') }} as name_key
    from named
    union all
    select
        *,
        {{ name_key_without_brackets('name_ko') }} as name_key
    from named
),

-- A single letter is not a name.
known_names as (
    select distinct
        source,
        record_id,
        venue_id,
        district_id,
        longitude,
        latitude,
        name_key
    from keyed
    where
        district_id <> 'outside'
        and length(name_key) >= 2
)

select * from known_names
