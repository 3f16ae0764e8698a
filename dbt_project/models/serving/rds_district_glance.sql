{#- Dist: 27 rows. Sort: the export reads all rows by key. -#}
{{ config(dist='all', sort='district_id') }}

with

glance as (
    select * from {{ ref('freq_district_glance') }}
),

served as (
    select
        district_id,
        'tour, kopis, seoul, kma' as sources,
        {{ attributions(['tour', 'kopis', 'seoul', 'kma']) }} as attribution,
        attraction_count,
        venue_count,
        lodging_count,
        upcoming_event_count,
        free_event_share,
        weather_en,
        weather_ko,
        low_temperature,
        high_temperature
    from glance
)

select * from served
