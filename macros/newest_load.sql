{#- For source freshness: the time in UTC at which the newest rows of a table were loaded. A dlt
    load id is a time in seconds since 1970. The end of the rows' day (KST) is the upper limit, so
    that loading an old day does not make the table fresh. A table without rows, such as one of a
    source that is left out, has no age and passes. -#}
{% macro newest_load() -%}
    select
        coalesce(
            max(
                least(
                    timestamp 'epoch'
                    + cast(_dlt_load_id as double precision) * interval '1 second',
                    cast(logical_date as timestamp) + interval '15 hours'
                )
            ),
            cast('{{ modules.datetime.datetime.utcnow() }}' as timestamp)
        )
    from {{ this }}
{%- endmacro %}
