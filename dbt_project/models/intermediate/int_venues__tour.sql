{#- Dist: a few hundred rows, read by the union. Sort: the key. -#}
{{ config(dist='all', sort='venue_id') }}

with

tour_places as (
    select * from {{ ref('int_tour_places_merged') }}
),

-- All festivals with the same address share one venue. The newest festival, preferably one with
-- coordinates, describes it. A lot number such as '24-1' is not a name without its street.
ranked_festivals as (
    select
        venue_id,
        case
            when translate(address_detail_en, '0123456789- ', '') <> '' then address_detail_en
            else address_en || coalesce(' ' || address_detail_en, '')
        end as name_en,
        case
            when translate(address_detail_ko, '0123456789- ', '') <> '' then address_detail_ko
            else address_ko || coalesce(' ' || address_detail_ko, '')
        end as name_ko,
        district_id,
        district_source,
        address_en,
        address_ko,
        longitude,
        latitude,
        row_number() over (
            partition by venue_id
            order by
                case when longitude is null then 1 else 0 end asc,
                modified_at desc nulls last,
                place_id asc
        ) as festival_rank
    from tour_places
    where
        subject = 'festival'
        and venue_id <> 'unknown'
),

venue_records as (
    select
        venue_id,
        cast('tour' as varchar(10)) as source,
        name_en,
        name_ko,
        district_id,
        district_source,
        address_en,
        address_ko,
        longitude,
        latitude
    from ranked_festivals
    where festival_rank = 1
)

select * from venue_records
