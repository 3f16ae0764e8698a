{#- For incremental models by `seen_on`: the rows of days that the model lacks or has from an
    earlier load. Both sides are reduced to distinct days before the comparison, since the model
    has the rows of all days. -#}
{% macro select_new_or_reloaded_days(rows) -%}
    select *
    from {{ rows }}
    {% if is_incremental() %}
        where seen_on in (
            select seen_on
            from (
                select distinct seen_on, load_id from {{ rows }}
                except
                select distinct seen_on, load_id from {{ this }}
            ) as changed
        )
    {% endif %}
{%- endmacro %}
