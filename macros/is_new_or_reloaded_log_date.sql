{#- Whether an incremental model lacks the day of a row of the usage logs, or holds it as it was made
    before. A staged table with few rows for each day tells of it: sessions, or users, of which there
    are days without sessions. Both sides are distinct before they are compared, or hundreds of
    millions of rows would be. -#}
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
