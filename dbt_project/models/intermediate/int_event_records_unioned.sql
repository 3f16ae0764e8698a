{#- Dist: joined to its matches on the key, which spreads evenly.
    Sort: the columns by which records of two sources are compared. -#}
{{ config(dist='event_id', sort=['title_key', 'starts_on']) }}

with

unioned as (
    {{
        union_models([
            'int_event_records__kopis',
            'int_event_records__tour',
            'int_event_records__seoul',
        ])
    }}
)

select * from unioned
