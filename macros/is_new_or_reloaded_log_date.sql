{#- Whether an incremental model lacks the day of a row of the usage logs or has it from an earlier
    load. `staged` is a table with few rows per day: sessions, or users, who may have days without
    sessions. Both sides are reduced to distinct days before the comparison, which would otherwise
    read hundreds of millions of rows. -#}
{% macro is_new_or_reloaded_log_date(staged) -%}
{%- if is_incremental() -%}
    log_date in (
        select log_date
        from (
            select distinct log_date, load_id from {{ staged }}
            except
            select distinct log_date, load_id from {{ this }}
        ) as changed
    )
{%- else -%}
    true
{%- endif -%}
{%- endmacro %}
