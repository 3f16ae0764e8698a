{#- For incremental models of the usage logs: delete days that were generated with other settings
    than the current logs. Logs of two settings are never mixed, so any row has the current load id.
    Without any current logs, all days are deleted. -#}
{% macro delete_logs_of_other_settings(sessions) -%}
    delete from {{ this }}
    where load_id <> (select coalesce(max(load_id), -1) from {{ sessions }})
{%- endmacro %}
