{#- A name without case, blanks and punctuation, for comparison between sources. Null if nothing
    remains. -#}
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
