{#- Ranges of a partition that begin before the previous range ends. Empty ranges and gaps are
    allowed. A range without an upper bound has no end, so only the last one may lack it. -#}
{% test mutually_exclusive_ranges(model, lower_bound_column, upper_bound_column, partition_by) %}

with

ranges as (
    select
        {{ partition_by }} as partition_key,
        {{ lower_bound_column }} as lower_bound,
        {{ upper_bound_column }} as upper_bound,
        lead({{ lower_bound_column }}) over (
            partition by {{ partition_by }} order by {{ lower_bound_column }}
        ) as next_lower_bound
    from {{ model }}
)

select * from ranges
where
    upper_bound < lower_bound
    or next_lower_bound < coalesce(upper_bound, cast('9999-12-31' as timestamp))

{% endtest %}
