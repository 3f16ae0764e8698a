{#- The days of the usage logs that an incremental model lacks, or holds as they were made before.
    Each day's sessions tell of it: they are few. -#}
{% macro new_log_dates(sessions) -%}
    select distinct log_date
    from {{ sessions }} as made
    {% if is_incremental() %}
        where not exists (
            select 1
            from {{ this }} as kept
            where kept.log_date = made.log_date and kept.load_id = made.load_id
        )
    {% endif %}
{%- endmacro %}
