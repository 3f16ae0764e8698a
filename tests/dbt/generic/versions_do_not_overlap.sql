{#- Of one key each version ends before the next begins, and only the last one has no end. -#}
{% test versions_do_not_overlap(model, key) %}

with

versions as (
    select
        {{ key }} as version_key,
        dbt_valid_from,
        dbt_valid_to,
        lead(dbt_valid_from) over (
            partition by {{ key }} order by dbt_valid_from
        ) as next_valid_from
    from {{ model }}
)

select * from versions
where
    dbt_valid_to < dbt_valid_from
    or next_valid_from < coalesce(dbt_valid_to, cast('9999-12-31' as timestamp))

{% endtest %}
