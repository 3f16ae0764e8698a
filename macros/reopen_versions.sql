{#- A pre-hook of snapshots: undo what an earlier build for the same date recorded, or a rebuild for
    that date and later ones. So only the last state of a date counts. -#}
{% macro reopen_versions() -%}
    {%- if execute and load_relation(this) -%}
        {%- set time = history_time() -%}
        delete from {{ this }} where dbt_valid_from >= {{ time }};
        update {{ this }} set dbt_valid_to = null where dbt_valid_to >= {{ time }};
    {%- endif -%}
{%- endmacro %}
