{#- The SQL of the generic test relationships_integer, for each engine. -#}
{% macro default__test_relationships_integer(model, column_name, to, field) %}
select children.{{ column_name }}
from {{ model }} as children
left join {{ to }} as parents on children.{{ column_name }} = parents.{{ field }}
where
    children.{{ column_name }} is not null
    and parents.{{ field }} is null
{% endmacro %}

{#- One bit per number: adding the children's numbers to the parents' must not set any new bit. -#}
{% macro duckdb__test_relationships_integer(model, column_name, to, field) %}

with

parent_numbers as (
    select coalesce(bit_count(bitstring_agg({{ field }})), 0) as number_count
    from {{ to }}
),

all_numbers as (
    select coalesce(bit_count(bitstring_agg(number)), 0) as number_count
    from (
        select {{ column_name }} as number from {{ model }}
        union all
        select {{ field }} as number from {{ to }}
    )
)

select
    all_numbers.number_count,
    parent_numbers.number_count as parent_count
from all_numbers
inner join parent_numbers on all_numbers.number_count <> parent_numbers.number_count
{% endmacro %}
