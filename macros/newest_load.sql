{#- For the freshness of a source: when the newest rows of a table came, in UTC. That is when dlt
    loaded them (a load id is in seconds since 1970), though no later than the end of the day (KST)
    that they are of: to load an old day makes nothing fresh. -#}
{% macro newest_load() -%}
    select
        max(
            least(
                timestamp 'epoch' + cast(_dlt_load_id as double precision) * interval '1 second',
                cast(logical_date as timestamp) + interval '15 hours'
            )
        )
    from {{ this }}
{%- endmacro %}
