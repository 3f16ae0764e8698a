{#- The house number of an address, or null: the first part of a Korean, Japanese or Chinese address
    that consists of digits ('용산구 이태원로 221 임피리얼 팰리스'), and the beginning of an English
    address ('221, Itaewon-ro, Yongsan-gu'). The number of a lot counts as well. -#}
{% macro house_number(address) -%}
    trim(
        coalesce(
            {{ regexp_extract(address, '^[0-9]+(-[0-9]+)?') }},
            {{ regexp_extract("' ' || " ~ before_remarks(address) ~ " || ' '", ' [0-9]+(-[0-9]+)? ') }},
            {{ regexp_extract(before_remarks(address), '[0-9]+(-[0-9]+)?$') }}
        )
    )
{%- endmacro %}

{#- An address up to the remarks that follow its house number: '마포대로 8, 3층 (마포동)'. -#}
{% macro before_remarks(address) -%}
    rtrim(split_part(split_part(replace({{ address }}, '（', '('), '(', 1), ',', 1))
{%- endmacro %}
