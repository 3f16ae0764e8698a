{#- The address at which a fare can be bought: its link, or else the search of its trip, with the
    marker of aviasales.com's partner if the var has one. -#}
{% macro purchase_url(fares) -%}
    {%- set marker = var('aviasales_marker') | string -%}
    {%- if not modules.re.fullmatch('[0-9A-Za-z._-]*', marker) -%}
        {{ exceptions.raise_compiler_error(
            "var aviasales_marker is '" ~ marker ~ "': expected the partner's marker, such as 12345"
        ) }}
    {%- endif -%}
    coalesce(
        {{ fares }}.search_url,
        'https://www.aviasales.com/search/' || {{ fares }}.origin_airport_code
        || {{ day_and_month(fares ~ '.departs_at') }} || {{ fares }}.destination_airport_code
        || coalesce({{ day_and_month(fares ~ '.returns_at') }}, '') || '1'
    )
    {%- if marker %}
        || case
            when {{ fares }}.search_url like '%?%' then '&'
            else '?'
        end || 'marker={{ marker }}'
    {%- endif %}
{%- endmacro %}

{% macro day_and_month(time) -%}
    substring(cast(cast({{ time }} as date) as varchar(10)), 9, 2)
    || substring(cast(cast({{ time }} as date) as varchar(10)), 6, 2)
{%- endmacro %}
