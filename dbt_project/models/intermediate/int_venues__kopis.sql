{#- Dist: a few thousand rows, read by the union. Sort: the key. -#}
{{ config(dist='all', sort='venue_id') }}

with

venues as (
    select * from {{ ref('stg_kopis__venues') }}
),

venue_details as (
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
    where source = 'kopis'
),

-- If two cultural spaces are one KOPIS venue, the first one fills what KOPIS lacks.
ranked_spaces as (
    select
        spaces.*,
        space_venues.venue_id,
        row_number() over (
            partition by space_venues.venue_id
            order by length(spaces.space_no), spaces.space_no
        ) as space_rank
    from spaces
    inner join space_venues on spaces.space_no = space_venues.space_no
),

venue_spaces as (
    select * from ranked_spaces
    where space_rank = 1
),

venue_records as (
    select
        'kopis-' || venues.venue_id as venue_id,
        venues.venue_id as kopis_venue_id,
        venue_spaces.space_no,
        cast('kopis' as varchar(10)) as source,
        venues.venue_name as name_ko,
        record_districts.district_id,
        record_districts.district_source,
        coalesce(venue_details.address, venue_spaces.address) as address_ko,
        coalesce(venue_details.longitude, venue_spaces.longitude) as longitude,
        coalesce(venue_details.latitude, venue_spaces.latitude) as latitude
    from venues
    inner join record_districts on venues.venue_id = record_districts.record_id
    left join venue_details on venues.venue_id = venue_details.venue_id
    left join venue_spaces on 'kopis-' || venues.venue_id = venue_spaces.venue_id
)

select * from venue_records
