{#- Dist: a few thousand rows, read by the next model. Sort: the key. -#}
{{ config(dist='all', sort='venue_id') }}

with

unioned as (
    {{
        union_models([
            'int_venues__kopis',
            'int_venues__seoul_spaces',
            'int_venues__seoul_events',
            'int_venues__tour',
        ])
    }}
)

select * from unioned
