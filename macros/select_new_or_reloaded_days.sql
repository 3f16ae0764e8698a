{#- Of an incremental model by day seen: the rows of the days that it does not hold yet, or holds of
    an older load. -#}
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
