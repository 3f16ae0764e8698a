{#- What the test unique_number finds. -#}
{% macro rows_without_a_number_of_their_own(model, column_name) -%}
    {{ adapter.dispatch('rows_without_a_number_of_their_own', 'hello_korea')(model, column_name) }}
{%- endmacro %}

{% macro default__rows_without_a_number_of_their_own(model, column_name) %}
select
    {{ column_name }},
    count(*) as row_count
from {{ model }}
group by {{ column_name }}
having count(*) > 1 or {{ column_name }} is null
{% endmacro %}

{#- A bit for each number: 50 MB tell 400 million apart, where a hash of them would need gigabytes. -#}
{% macro duckdb__rows_without_a_number_of_their_own(model, column_name) %}

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
