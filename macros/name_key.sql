{#- A name without case, blanks and punctuation: what two sources write alike. Null when nothing is
    left. -#}
{% macro name_key(text) -%}
    nullif(
        translate(
            lower({{ text }}),
            ' ()[]{}<>「」『』《》〈〉【】“”‘’"`.,·ㆍ・:;!?？！~∼-–—_/&+*#|…''',
            ''
        ),
        ''
    )
{%- endmacro %}
