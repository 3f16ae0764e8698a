-- The newest date of each loaded table, and its age now. The usage logs do not record their loads.
with

loads as (
    select * from {{ ref('stg_runs__newest_loads') }}
),

logs as (
    {%- for table_name in ['users', 'sessions', 'searches', 'clicks', 'purchases'] %}
        select
            '{{ table_name }}' as table_name,
            max(logical_date) as logical_date
        from {{ source('staging_web_logs', table_name) }}
        {{ 'union all' if not loop.last }}
    {%- endfor %}
),

newest as (
    select
        source_name,
        table_name,
        logical_date,
        cast(loaded_at as timestamp) as loaded_at
    from loads
    union all
    select
        'web_logs' as source_name,
        table_name,
        logical_date,
        cast(null as timestamp) as loaded_at
    from logs
),

aged as (
    {%- set now = run_started_at.astimezone(modules.pytz.timezone('Asia/Seoul')) %}
    {%- set now = "cast('" ~ now.strftime('%Y-%m-%d %H:%M:%S') ~ "' as timestamp)" %}
    select
        source_name,
        table_name,
        logical_date as newest_date,
        loaded_at,
        {{ dbt.datediff('logical_date', now, 'day') }} as days_old,
        {{ dbt.datediff('loaded_at', now, 'hour') }} as hours_since_load
    from newest
)

select * from aged
order by source_name, table_name
