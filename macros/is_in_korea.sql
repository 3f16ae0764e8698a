{#- Whether a point is in the bounding box of Korea. Sources return 0/0 or a point in the sea south
    of China if they do not know the coordinates. -#}
{% macro is_in_korea(longitude, latitude) -%}
    ({{ longitude }} between 124 and 132 and {{ latitude }} between 33 and 39)
{%- endmacro %}
