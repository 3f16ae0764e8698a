{#- Dist: a few thousand rows, copied to every node for joins by record.
    Sort: the key of those joins. -#}
{{ config(dist='all', sort=['source', 'record_id']) }}

with

records as (
    select * from {{ ref('int_records_located') }}
),

districts as (
    select * from {{ ref('districts') }}
),

distances as (
    select
        records.source,
        records.record_id,
        districts.district_id,
        {{
            haversine_distance_m(
                'records.longitude', 'records.latitude', 'districts.longitude', 'districts.latitude'
            )
        }} as distance_m
    from records
    cross join districts
    where records.longitude is not null
),

ranked_distances as (
    select
        *,
        row_number() over (
            partition by source, record_id
            order by distance_m, district_id
        ) as distance_rank
    from distances
),

-- A record far from every district office lies outside Seoul.
nearest as (
    select
        source,
        record_id,
        case
            when distance_m <= 1000 * {{ var('nearest_district_km') }} then district_id
            else 'outside'
        end as district_id,
        distance_m
    from ranked_distances
    where distance_rank = 1
)

select * from nearest
