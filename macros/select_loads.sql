{#- The dates in each staging table of the sources, with their newest load id and number of rows. The
    usage logs are left out: they are generated for any date. -#}
{% macro select_loads() -%}
    {%- set loaded_tables = [
        ('exim', 'exchange_rates'),
        ('incheon', 'schedules'),
        ('incheon', 'airports'),
        ('kma', 'short_forecasts'),
        ('kma', 'mid_forecasts'),
        ('kma', 'daily_observations'),
        ('kma', 'past_observations'),
        ('kopis', 'performances'),
        ('kopis', 'performance_details'),
        ('kopis', 'venues'),
        ('kopis', 'venue_details'),
        ('seoul', 'cultural_events'),
        ('seoul', 'cultural_spaces'),
        ('seoul', 'lodgings'),
        ('tour', 'districts'),
        ('tour', 'categories'),
        ('tour', 'places'),
        ('tour', 'festivals'),
        ('tour', 'stays'),
        ('tour', 'place_details'),
        ('tour', 'place_intros'),
        ('tour', 'images'),
        ('tour', 'removed_places'),
        ('travelpayouts', 'fares')
    ] -%}
    {%- for source_name, table_name in loaded_tables %}
    select
        '{{ source_name }}' as source_name,
        '{{ table_name }}' as table_name,
        logical_date,
        max(_dlt_load_id) as load_id,
        count(*) as row_count
    from {{ source('staging_' ~ source_name, table_name) }}
    group by logical_date
    {{- '\n    union all' if not loop.last }}
    {%- endfor %}
{%- endmacro %}
