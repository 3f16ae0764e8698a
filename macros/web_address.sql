{#- The first web address in a text, or null. Sources also write 'www.ssm.go.kr' or
    'baekjemuseum.seoul.go.kr' without a scheme, and '없음' or an e-mail address. -#}
{% macro web_address(text) -%}
    coalesce(
        {{ regexp_extract(text, '[Hh][Tt][Tt][Pp][Ss]?://[^ <>"]+') }},
        'http://' || coalesce(
            {{ regexp_extract(text, '[Ww][Ww][Ww][.][a-zA-Z0-9-]+[.][^ <>"]+') }},
            {{ regexp_extract('trim(' ~ text ~ ')', '^[a-zA-Z0-9-]+([.][a-zA-Z0-9-]+)*[.][a-zA-Z][a-zA-Z]+(/[^ <>"]*)?$') }}
        )
    )
{%- endmacro %}
