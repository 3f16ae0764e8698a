{#- Of an incremental model of the usage logs: days that were made of other settings than the logs that
    are there now. Logs of two makings never stand together, so any row tells which these are. -#}
{% macro delete_logs_of_other_settings(sessions) -%}
    delete from {{ this }}
    where load_id <> (select max(load_id) from {{ sessions }})
{%- endmacro %}
