{#- Ends a run with one line if the warehouse lacks a staging table that a selected node reads. -#}
{% macro check_staging_tables() -%}
    {%- if execute -%}
        {%- set existing = run_query(
            "select table_schema, table_name from information_schema.tables"
            ~ " where left(table_schema, 8) = 'staging_'"
        ).rows | map('join', '.') | list -%}
        {%- set missing = [] -%}
        {%- for id in selected_resources if id in graph.nodes -%}
            {%- for source_id in graph.nodes[id].depends_on.nodes if source_id in graph.sources -%}
                {%- set source = graph.sources[source_id] -%}
                {%- set name = source.schema ~ '.' ~ source.identifier -%}
                {%- if name not in existing and name not in missing -%}
                    {%- do missing.append(name) -%}
                {%- endif -%}
            {%- endfor -%}
        {%- endfor -%}
        {%- if missing -%}
            {%- do exceptions.raise_compiler_error(
                'the warehouse lacks ' ~ missing | length ~ ' staging tables that are read, such as '
                ~ missing | sort | first ~ ': `dlt pipeline run` creates them'
            ) -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}
