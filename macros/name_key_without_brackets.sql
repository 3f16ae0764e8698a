{#- The key of a name without the text in its brackets: '블루스퀘어 (구. 인터파크홀)' and
    '예술의전당 [서울]' are also known without it. -#}
{% macro name_key_without_brackets(text) -%}
    {{ name_key(regexp_remove(text, '[(][^()]*[)]|[[][^]]*[]]')) }}
{%- endmacro %}
