{#- Whether a point lies in the box around Korea. Sources answer 0/0 or a spot in the sea south of
    China where they know no coordinates. -#}
{% macro is_in_korea(longitude, latitude) -%}
    ({{ longitude }} between 124 and 132 and {{ latitude }} between 33 and 39)
{%- endmacro %}
