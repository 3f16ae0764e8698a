{#- Dist: a few thousand rows, copied to every node for joins by record.
    Sort: the key of those joins. -#}
{{ config(dist='all', sort=['source', 'record_id']) }}

with

records as (
    select * from {{ ref('int_records_located') }}
),

nearest_districts as (
    select * from {{ ref('int_records_matched_to_nearest_district') }}
),

districts as (
    select * from {{ ref('districts') }}
),

-- Rule 1: the legal code, or the older code if the record has no legal code.
by_code as (
    select
        records.source,
        records.record_id,
        districts.district_id,
        'code' as district_source,
        1 as rule,
        1.0 as rank_in_rule
    from records
    inner join districts
        on
            (
                records.region_code = districts.tour_region
                and records.district_code = districts.tour_district
            )
            or (
                records.region_code is null
                and records.legacy_area_code = districts.tour_legacy_area
                and records.legacy_district_code = districts.tour_legacy_district
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
    from records
    where
        region_code not in (select districts.tour_region from districts)
        or (
            region_code is null
            and legacy_area_code not in (select districts.tour_legacy_area from districts)
        )
),

-- Rule 2: the first district named in an address in Seoul. Other cities have a Jung-gu too. A
-- Korean address begins with its province or city, an English one ends with it. An address of the
-- city's own lists may leave out Seoul.
addressed as (
    select
        source,
        record_id,
        ' ' || lower(replace(address, ',', ' ')) || ' ' as address,
        ltrim(address) like '서울%' or lower(address) like '%seoul%' as is_in_seoul,
        {{ is_outside_seoul('address') }} as names_another_place
    from records
    where address is not null
),

by_address as (
    select
        addressed.source,
        addressed.record_id,
        districts.district_id,
        'address' as district_source,
        2 as rule,
        strpos(addressed.address, ' ' || districts.name_ko || ' ')
        + strpos(addressed.address, ' ' || lower(districts.name_en) || ' ') as rank_in_rule
    from addressed
    inner join districts
        on
            addressed.address like '% ' || districts.name_ko || ' %'
            or addressed.address like '% ' || lower(districts.name_en) || ' %'
    where
        addressed.is_in_seoul
        or (addressed.source like 'seoul%' and not addressed.names_another_place)
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
        and (source in ('tour_ko', 'kopis') or names_another_place)
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
    -- Rule 3: the district with the nearest office.
    select
        source,
        record_id,
        district_id,
        'nearest' as district_source,
        3 as rule,
        distance_m as rank_in_rule
    from nearest_districts
),

ranked_candidates as (
    select
        *,
        row_number() over (
            partition by source, record_id order by rule, rank_in_rule, district_id
        ) as candidate_rank
    from candidates
),

assigned as (
    select
        records.source,
        records.record_id,
        coalesce(candidates.district_id, 'unknown') as district_id,
        coalesce(candidates.district_source, 'none') as district_source
    from records
    left join ranked_candidates as candidates
        on
            records.source = candidates.source
            and records.record_id = candidates.record_id
            and candidates.candidate_rank = 1
)

select * from assigned
