{#- Rows with a text that has more bytes than its type in the contract. DuckDB stores it, Redshift
    refuses it, and PostgreSQL, which counts characters, may. -#}
{% test values_fit_their_types(model) %}
{%- set too_long = [] -%}
{%- if execute -%}
    {%- for node in graph.nodes.values() if node.name == model.identifier -%}
        {%- for column in node.columns.values() if column.data_type.startswith('varchar(') -%}
            {%- set limit = column.data_type[8:-1] -%}
            {%- do too_long.append(byte_length(column.name) ~ ' > ' ~ limit) -%}
        {%- endfor -%}
    {%- endfor -%}
{%- endif %}
select *
from {{ model }}
where {{ too_long | join(' or ') or 'false' }}
{% endtest %}
