with

loads as (
    {{ select_loads() }}
),

ranked as (
    select
        *,
        row_number() over (
            partition by source_name, table_name
            order by logical_date desc
        ) as date_rank
    from loads
),

-- A load id is a time in seconds since 1970 (UTC).
newest as (
    select
        source_name,
        table_name,
        logical_date,
        timestamp 'epoch' + (cast(load_id as double precision) + 9 * 3600) * interval '1 second'
            as loaded_at,
        row_count
    from ranked
    where date_rank = 1
)

select * from newest
