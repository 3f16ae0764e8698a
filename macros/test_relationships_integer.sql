{#- The SQL of the generic test relationships_integer, for each engine. -#}
{% macro default__test_relationships_integer(model, column_name, to, field) %}
select children.{{ column_name }}
from {{ model }} as children
left join {{ to }} as parents on children.{{ column_name }} = parents.{{ field }}
where
    children.{{ column_name }} is not null
    and parents.{{ field }} is null
{% endmacro %}

{#- A bit for each number: with the children's beside the parents' there are no more than without. -#}
{% macro duckdb__test_relationships_integer(model, column_name, to, field) %}

with

of_parents as (
    select coalesce(bit_count(bitstring_agg({{ field }})), 0) as number_count
    from {{ to }}
),

of_both as (
    select coalesce(bit_count(bitstring_agg(number)), 0) as number_count
    from (
        select {{ column_name }} as number from {{ model }}
        union all
        select {{ field }} as number from {{ to }}
    )
)

select
    of_both.number_count,
    of_parents.number_count as parent_count
from of_both
inner join of_parents on of_both.number_count <> of_parents.number_count
{% endmacro %}
