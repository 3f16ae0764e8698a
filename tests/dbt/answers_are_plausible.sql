-- Implausible values in the responses of the last week: an end before its start, a district that
-- Seoul does not have, a renamed genre or content type. Their rows are kept, without days, district
-- or genre. An event that ends before its start is not exported. `dbt show --select
-- answers_are_plausible` lists each value with its first raw file. Add a new name to
-- seeds/genre_sources.csv or seeds/content_types.csv.
{{ config(severity='warn') }}

{%- set known_genre = 'select genre_sources.source_value from genre_sources'
    ~ ' where genre_sources.source =' -%}
{%- set known_district = 'select districts.name_ko from districts' -%}
{%- set known_code = 'select districts.tour_district from districts' -%}
{%- set known_type = 'select content_types.content_type_id from content_types' -%}
{#- Source, table, column and the condition of an implausible value. -#}
{%- set checks = [
    ('kopis', 'performances', 'ends_on', 'ends_on < starts_on'),
    ('tour', 'festivals', 'ends_on', 'ends_on < starts_on'),
    ('seoul', 'cultural_events', 'ends_on', 'ends_on < starts_on'),
    ('incheon', 'schedules', 'last_date', 'last_date < first_date'),
    ('kopis', 'performances', 'genre', "genre not in (" ~ known_genre ~ " 'kopis')"),
    ('seoul', 'cultural_events', 'genre', "genre not in (" ~ known_genre ~ " 'seoul')"),
    ('tour', 'places', 'content_type_id', 'content_type_id not in (' ~ known_type ~ ')'),
    ('tour', 'places', 'district', "region = '11' and district not in (" ~ known_code ~ ")"),
    (
        'kopis', 'venues', 'district_name',
        "province like '서울%' and district_name not in (" ~ known_district ~ ")"
    ),
    (
        'seoul', 'cultural_events', 'district_name',
        'district_name not in (' ~ known_district ~ ')'
    ),
] %}

with

genre_sources as (
    select * from {{ ref('genre_sources') }}
),

districts as (
    select * from {{ ref('districts') }}
),

content_types as (
    select * from {{ ref('content_types') }}
),

implausible as (
    {% for source_name, table_name, column_name, condition in checks -%}
        {%- set responses = source('staging_' ~ source_name, table_name) -%}
        select
            '{{ source_name }}' as source_name,
            '{{ table_name }}' as table_name,
            '{{ column_name }}' as column_name,
            cast({{ column_name }} as varchar(1000)) as value,
            raw_file
        from {{ responses }}
        where
            logical_date > (select max(newest.logical_date) - 7 from {{ responses }} as newest)
            and {{ condition }}
        {% if not loop.last -%}
            union all
        {% endif %}
    {%- endfor %}
),

counted as (
    select
        source_name,
        table_name,
        column_name,
        value,
        count(*) as row_count,
        min(raw_file) as first_raw_file
    from implausible
    group by source_name, table_name, column_name, value
)

select * from counted
