{#- The licence of an image: TourAPI gives its type of the Korea Open Government License by image, and
    all that Seoul publishes has type 1. Null if the source states none. -#}
{% macro image_licence(source, copyright_type) -%}
    case
            when {{ source }} = 'tour' and {{ copyright_type }} like 'Type%'
                then replace({{ copyright_type }}, 'Type', 'KOGL Type ')
            when {{ source }} = 'seoul' then 'KOGL Type 1'
        end
{%- endmacro %}
