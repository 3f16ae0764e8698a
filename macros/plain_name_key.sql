{#- The key of a name without what stands in brackets: '블루스퀘어 (구. 인터파크홀)' and '예술의전당 [서울]'
    are known without it too. -#}
{% macro plain_name_key(text) -%}
    {{ name_key(without_matches(text, '[(][^()]*[)]|[[][^]]*[]]')) }}
{%- endmacro %}
