-- How evenly each fact is distributed: rows by value of its dist key. If one value has many times
-- the mean or a large share of all rows, the other nodes wait for its node, and another column is a
-- better key. Facts that are distributed evenly or to every node have no key and are not listed.
-- The project's configuration determines the facts and keys.

{%- set facts = [] -%}
{%- for node in graph.nodes.values() if node.name.startswith('fct_') -%}
    {%- if node.config.dist not in ['all', 'even', 'auto'] -%}
        {%- do facts.append(node) -%}
    {%- endif -%}
{%- endfor %}

with

{% for fact in facts | sort(attribute='name') %}
    {{ fact.name }}_values as (
        select
            '{{ fact.name }}' as fact,
            '{{ fact.config.dist }}' as dist_key,
            count(*) as value_rows
        from {{ fact.relation_name }}
        group by {{ fact.config.dist }}
    ),

{% endfor %}
all_values as (
    {% for fact in facts | sort(attribute='name') %}
        select * from {{ fact.name }}_values
        {{ 'union all' if not loop.last }}
    {% endfor %}
),

skew as (
    select
        fact,
        dist_key,
        sum(value_rows) as fact_rows,
        count(*) as key_values,
        max(value_rows) as most_rows_of_a_value,
        1.0 * max(value_rows) / sum(value_rows) as largest_share,
        1.0 * max(value_rows) * count(*) / sum(value_rows) as largest_to_mean
    from all_values
    group by fact, dist_key
)

select * from skew
order by largest_to_mean desc, fact asc
