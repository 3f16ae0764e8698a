{#- Dist: a few thousand rows, copied to every node for joins by record.
    Sort: the key of those joins. -#}
{{ config(dist='all', sort=['source', 'record_id']) }}

with

records as (
    select * from {{ ref('stg_tour__records') }}
),

venues as (
    select * from {{ ref('stg_kopis__venues') }}
),

venue_details as (
    select * from {{ ref('stg_kopis__venue_details') }}
),

seoul_events as (
    select * from {{ ref('stg_seoul__cultural_events') }}
),

seoul_spaces as (
    select * from {{ ref('stg_seoul__cultural_spaces') }}
),

seoul_lodgings as (
    select * from {{ ref('stg_seoul__lodgings') }}
),

districts as (
    select * from {{ ref('districts') }}
),

-- KOPIS gives no code; its province and district are the beginning of an address. So is the
-- district of an event of Seoul.
located as (
    select
        'tour_' || language_code as source,
        content_id as record_id,
        region_code,
        district_code,
        legacy_area_code,
        legacy_district_code,
        address,
        longitude,
        latitude
    from records
    union all
    select
        'kopis' as source,
        venues.venue_id as record_id,
        cast(null as varchar(10)) as region_code,
        cast(null as varchar(10)) as district_code,
        cast(null as varchar(10)) as legacy_area_code,
        cast(null as varchar(10)) as legacy_district_code,
        coalesce(
            venues.province || ' ' || venues.district_name,
            venues.province,
            venue_details.address
        ) as address,
        venue_details.longitude,
        venue_details.latitude
    from venues
    left join venue_details on venues.venue_id = venue_details.venue_id
    union all
    select
        'seoul_event' as source,
        event_code as record_id,
        null as region_code,
        null as district_code,
        null as legacy_area_code,
        null as legacy_district_code,
        '서울 ' || district_name as address,
        longitude,
        latitude
    from seoul_events
    union all
    select
        'seoul_space' as source,
        space_no as record_id,
        null as region_code,
        null as district_code,
        null as legacy_area_code,
        null as legacy_district_code,
        address,
        longitude,
        latitude
    from seoul_spaces
    union all
    select
        'seoul_lodging' as source,
        licence_no as record_id,
        null as region_code,
        null as district_code,
        null as legacy_area_code,
        null as legacy_district_code,
        coalesce(road_address, lot_address) as address,
        longitude,
        latitude
    from seoul_lodgings
),

-- Rule 1: the legal code, or the older code where a record has no other.
by_code as (
    select
        located.source,
        located.record_id,
        districts.district_id,
        'code' as district_source,
        1 as rule,
        1.0 as rank_in_rule
    from located
    inner join districts
        on
            (
                located.region_code = districts.tour_region
                and located.district_code = districts.tour_district
            )
            or (
                located.region_code is null
                and located.legacy_area_code = districts.tour_legacy_area
                and located.legacy_district_code = districts.tour_legacy_district
            )
),

outside_by_code as (
    select
        source,
        record_id,
        'outside' as district_id,
        'code' as district_source,
        1 as rule,
        2.0 as rank_in_rule
    from located
    where
        region_code not in (select districts.tour_region from districts)
        or (
            region_code is null
            and legacy_area_code not in (select districts.tour_legacy_area from districts)
        )
),

-- Rule 2: the first district that the address names, if it is an address in Seoul; other cities
-- have a Jung-gu too. A Korean address begins with its province, an English one ends with it.
addressed as (
    select
        source,
        record_id,
        ' ' || lower(replace(address, ',', ' ')) || ' ' as address,
        address like '서울%' or lower(address) like '%seoul%' as is_in_seoul
    from located
    where address is not null
),

by_address as (
    select
        addressed.source,
        addressed.record_id,
        districts.district_id,
        'address' as district_source,
        2 as rule,
        cast(
            strpos(addressed.address, ' ' || districts.name_ko || ' ')
            + strpos(addressed.address, ' ' || lower(districts.name_en) || ' ') as double precision
        ) as rank_in_rule
    from addressed
    inner join districts
        on
            addressed.address like '% ' || districts.name_ko || ' %'
            or addressed.address like '% ' || lower(districts.name_en) || ' %'
    where addressed.is_in_seoul
),

outside_by_address as (
    select
        source,
        record_id,
        'outside' as district_id,
        'address' as district_source,
        2 as rule,
        1.0 as rank_in_rule
    from addressed
    where
        not is_in_seoul
        and source in ('tour_ko', 'kopis')
),

-- Rule 3: the nearest district office, if one is near enough to be in the same city.
distances as (
    select
        located.source,
        located.record_id,
        districts.district_id,
        {{
            haversine_distance_m(
                'located.longitude', 'located.latitude', 'districts.longitude', 'districts.latitude'
            )
        }} as distance_m
    from located
    cross join districts
    where located.longitude is not null
),

by_distance as (
    select
        source,
        record_id,
        case
            when distance_m <= 1000 * {{ var('nearest_district_km') }} then district_id
            else 'outside'
        end as district_id,
        'nearest' as district_source,
        3 as rule,
        distance_m as rank_in_rule
    from distances
),

candidates as (
    select * from by_code
    union all
    select * from outside_by_code
    union all
    select * from by_address
    union all
    select * from outside_by_address
    union all
    select * from by_distance
),

ranked as (
    select
        *,
        row_number() over (
            partition by source, record_id order by rule, rank_in_rule, district_id
        ) as candidate_rank
    from candidates
),

decided as (
    select
        located.source,
        located.record_id,
        coalesce(ranked.district_id, 'unknown') as district_id,
        coalesce(ranked.district_source, 'none') as district_source
    from located
    left join ranked
        on
            located.source = ranked.source
            and located.record_id = ranked.record_id
            and ranked.candidate_rank = 1
)

select * from decided
