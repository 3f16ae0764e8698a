{#- Dist: a few thousand rows, copied to every node. Sort: the key that the next models join on. -#}
{{ config(dist='all', sort='place_id') }}

with

records as (
    select * from {{ ref('int_tour_records_matched') }}
),

intros as (
    select * from {{ ref('stg_tour__place_intros') }}
),

place_intros as (
    select
        records.place_id,
        intros.*
    from intros
    inner join records
        on
            intros.language_code = records.language_code
            and intros.content_id = records.content_id
),

-- A place has one record in each language.
merged as (
    select
        place_id,
        {{ text_by_language('opening_hours') }},
        {{ text_by_language('closed_days') }},
        {{ text_by_language('fee') }},
        {{ text_by_language('parking') }},
        {{ text_by_language('programme') }},
        {{ text_by_language('offers') }},
        {{ text_by_language('rooms') }},
        {{ text_by_language('facilities') }},
        {{ text_by_language('event_place') }},
        {{ text_of_one_language('discount') }},
        {{ text_of_one_language('contact') }},
        {{ text_of_one_language('reservation') }},
        {{ text_of_one_language('reservation_url') }},
        {{ text_of_one_language('check_in') }},
        {{ text_of_one_language('check_out') }},
        {{ text_of_one_language('visit_length') }},
        {{ text_of_one_language('age_limit') }},
        {{ text_of_one_language('organizer') }},
        {{ text_of_one_language('homepage_url') }}
    from place_intros
    group by place_id
)

select * from merged
