{#- A Korean address up to its house number, for comparison, or null without one: '서울특별시 마포구
    양화로 141 롯데호텔 L7홍대' is '서울마포구양화로141'. -#}
{% macro house_address_key(address) -%}
    replace(
        replace(
            {{
                regexp_extract(
                    before_remarks(address) ~ " || ' '",
                    '^[^ ]+( [^ ]*[^0-9 -][^ ]*)* [0-9]+(-[0-9]+)? '
                )
            }},
            '서울특별시',
            '서울'
        ),
        ' ',
        ''
    )
{%- endmacro %}
