{#- Dist: a thousand rows, read by the union. Sort: the key. -#}
{{ config(dist='all', sort='venue_id') }}

with

spaces as (
    select * from {{ ref('stg_seoul__cultural_spaces') }}
),

space_venues as (
    select * from {{ ref('int_seoul_spaces_matched') }}
),

record_districts as (
    select * from {{ ref('int_records_assigned_to_districts') }}
    where source = 'seoul_space'
),

venue_records as (
    select
        space_venues.venue_id,
        spaces.space_no,
        cast('seoul' as varchar(10)) as source,
        spaces.space_name as name_ko,
        record_districts.district_id,
        record_districts.district_source,
        spaces.address as address_ko,
        spaces.longitude,
        spaces.latitude
    from spaces
    inner join space_venues on spaces.space_no = space_venues.space_no
    inner join record_districts on spaces.space_no = record_districts.record_id
    -- Other spaces are KOPIS venues.
    where space_venues.venue_id = 'seoul-' || spaces.space_no
)

select * from venue_records
