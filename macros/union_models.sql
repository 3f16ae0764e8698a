{#- The rows of several models by column name. A column that a model lacks is null in its rows.

    Columns and types come from the models' contracts, so compilation does not query the warehouse.
    dbt gives unit tests no graph: a model that calls this must not need a unit test. -#}
{% macro union_models(models) -%}
    {%- set relations = {} -%}
    {%- for name in models -%}
        {%- do relations.update({name: ref(name)}) -%}
    {%- endfor -%}
    {%- if execute -%}
        {%- set columns = {} -%}
        {%- set types = {} -%}
        {%- for name in models -%}
            {%- set node = graph.nodes['model.' ~ project_name ~ '.' ~ name] -%}
            {%- do columns.update({name: node.columns}) -%}
            {%- for column in node.columns.values() -%}
                {%- do types.update({column.name: column.data_type}) -%}
            {%- endfor -%}
        {%- endfor -%}
        {%- for name in models %}
    select
            {%- for column, type in types.items() %}
        {{ column if column in columns[name] else 'cast(null as ' ~ type ~ ') as ' ~ column }}
                {{- ',' if not loop.last }}
            {%- endfor %}
    from {{ relations[name] }}
            {{- '\n    union all' if not loop.last }}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}
