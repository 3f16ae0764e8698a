{#- Great-circle distance in metres between two points in degrees (haversine, mean Earth radius). -#}
{% macro haversine_distance_m(longitude_1, latitude_1, longitude_2, latitude_2) -%}
    2 * 6371008.8 * asin(sqrt(
        power(sin(radians({{ latitude_2 }} - {{ latitude_1 }}) / 2), 2)
        + cos(radians({{ latitude_1 }})) * cos(radians({{ latitude_2 }}))
        * power(sin(radians({{ longitude_2 }} - {{ longitude_1 }}) / 2), 2)
    ))
{%- endmacro %}
