{#- Dist: one row per airport. Sort: the rank, by which it is read. -#}
{{ config(dist='all', sort='search_rank') }}

with

searches as (
    select * from {{ ref('freq_airport_search') }}
),

last_day as (
    select max(log_date) as log_date
    from searches
),

by_airport as (
    select
        searches.airport_code,
        cast(sum(searches.search_count) as bigint) as search_count,
        min(searches.log_date) as first_log_date,
        max(last_day.log_date) as last_log_date
    from searches
    inner join last_day on searches.log_date > last_day.log_date - 30
    group by searches.airport_code
),

ranked as (
    select
        airport_code,
        search_count,
        cast(row_number() over (order by search_count desc, airport_code asc) as integer)
            as search_rank,
        first_log_date,
        last_log_date
    from by_airport
)

select * from ranked
