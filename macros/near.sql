{#- Condition on rows with a point within some metres of another point. The box in front of the
    distance compares bare columns, so that few rows need its sines: it is a hundredth larger, and a
    degree of latitude has 111,195 metres. -#}
{% macro near(lon, lat, metres, longitude='longitude', latitude='latitude') -%}
    (
        abs({{ latitude }} - {{ lat }}) <= 1.01 * {{ metres }} / 111195
        and abs({{ longitude }} - {{ lon }}) * cos(radians({{ lat }})) <= 1.01 * {{ metres }} / 111195
        and {{ haversine_distance_m(longitude, latitude, lon, lat) }} <= {{ metres }}
    )
{%- endmacro %}
