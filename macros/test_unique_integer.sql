{#- The SQL of the generic test unique_integer, for each engine. -#}
{% macro default__test_unique_integer(model, column_name) %}
select
    {{ column_name }},
    count(*) as row_count
from {{ model }}
group by {{ column_name }}
having count(*) > 1 or {{ column_name }} is null
{% endmacro %}

{#- One bit per number: 400 million numbers need 50 MB, whereas a hash table would need gigabytes.
    -#}
{% macro duckdb__test_unique_integer(model, column_name) %}

with

counted as (
    select
        count(*) as row_count,
        coalesce(bit_count(bitstring_agg({{ column_name }})), 0) as number_count
    from {{ model }}
)

select *
from counted
where row_count <> number_count
{% endmacro %}
