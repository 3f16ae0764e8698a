{#- For incremental models by `seen_on`: the rows of days that the model lacks or has from an
    earlier load. -#}
{% macro select_new_or_reloaded_days(rows) -%}
    select *
    from {{ rows }}
    {% if is_incremental() %}
        where not exists (
            select 1
            from {{ this }} as kept
            where kept.seen_on = {{ rows }}.seen_on and kept.load_id = {{ rows }}.load_id
        )
    {% endif %}
{%- endmacro %}
