{#- Delete the days for which no forecast is loaded any more, because one was loaded again without
    them or the source was removed. Days before the first date that staging has in full are those
    that it has forgotten; they stay. -#}
{% macro delete_withdrawn_forecast_days(forecasts) -%}
    delete from {{ this }}
    where
        forecast_on not in (select forecast_on from {{ forecasts }})
        and forecast_on >= (
            select
                case
                    when count(*) = 0 then cast('1900-01-01' as date)
                    else min(case when is_whole then logical_date end)
                end
            from {{ ref('stg_runs__loaded_dates') }}
            where source_name = 'kma' and table_name = 'short_forecasts'
        )
{%- endmacro %}
