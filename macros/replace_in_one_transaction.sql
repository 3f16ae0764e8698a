{#- DuckDB's own materializations build under another name, rename twice and drop the old relation
    afterwards, in transactions of their own. That is most of the time of a small model. -#}
{% materialization table, adapter='duckdb' %}
{{ return(replace_in_one_transaction('table')) }}
{% endmaterialization %}

{% materialization view, adapter='duckdb' %}
{{ return(replace_in_one_transaction('view')) }}
{% endmaterialization %}

{#- Drops a model's table or view and creates it again. If that fails, the old one stays. -#}
{% macro replace_in_one_transaction(relation_type) %}
{%- set existing = load_cached_relation(this) -%}
{%- set target_relation = this.incorporate(type=relation_type) -%}
{%- if existing is not none and existing.type != relation_type -%}
    {%- do adapter.drop_relation(existing) -%}
{%- endif -%}

{{ run_hooks(pre_hooks, inside_transaction=False) }}
{{ run_hooks(pre_hooks, inside_transaction=True) }}
{% call statement('main') %}
drop {{ relation_type }} if exists {{ target_relation }};
{% if relation_type == 'table' %}
{{ create_table_as(False, target_relation, compiled_code) }}
{% else %}
{{ create_view_as(target_relation, compiled_code) }}
{% endif %}
{% endcall %}
{{ run_hooks(post_hooks, inside_transaction=True) }}
{% do persist_docs(target_relation, model) %}
{{ adapter.commit() }}
{{ run_hooks(post_hooks, inside_transaction=False) }}

{{ return({'relations': [target_relation]}) }}
{% endmacro %}
