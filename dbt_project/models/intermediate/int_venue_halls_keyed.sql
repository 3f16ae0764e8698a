{#- Dist: a few thousand rows, joined by venue. Sort: the venue. -#}
{{ config(dist='all', sort='venue_id') }}

{#- Names that many houses give their halls. -#}
{%- set generic = '^제?[0-9]*[a-z]?(대|중|소|본|별|메인)?(극장|공연장|강당|전시장|전시실|갤러리|스튜디오'
    ~ '|홀|관|층|아트홀|콘서트홀|리사이틀홀|체임버홀|챔버홀|퍼포먼스홀|다목적홀|이벤트홀|컨벤션홀|전용관'
    ~ '|야외공연장|야외무대|로비|카페|카페테리아|채플|문화홀)?(b?[0-9]*f?)$' %}

with

kopis_venues as (
    select * from {{ ref('stg_kopis__venues') }}
),

venue_details as (
    select * from {{ ref('stg_kopis__venue_details') }}
),

performance_details as (
    select * from {{ ref('stg_kopis__performance_details') }}
),

-- KOPIS's own list of the halls of a venue.
listed as (
    {% for number in range(20) %}
        select
            venue_id,
            {{ json_array_field('halls', number, 'name') }} as hall_name
        from venue_details
        where halls is not null
        {% if not loop.last %}
            union all
        {% endif %}
    {% endfor %}
),

-- Performances name the hall after the venue: '세종문화회관 (세종체임버홀)'.
performed as (
    select distinct
        kopis_venues.venue_id,
        trim(
            substring(
                performance_details.venue_and_hall_name, length(kopis_venues.venue_name) + 1
            )
        ) as hall_text
    from performance_details
    inner join kopis_venues on performance_details.venue_id = kopis_venues.venue_id
    where
        left(performance_details.venue_and_hall_name, length(kopis_venues.venue_name) + 1)
        = kopis_venues.venue_name || ' '
),

halls as (
    select
        venue_id,
        hall_name
    from listed
    union all
    select
        venue_id,
        trim(substring(hall_text, 2, length(hall_text) - 2)) as hall_name
    from performed
    where left(hall_text, 1) = '(' and right(hall_text, 1) = ')'
),

keyed as (
    select
        halls.venue_id,
        halls.hall_name,
        coalesce(
            {{ name_key_without_brackets('halls.hall_name') }}, {{ name_key('halls.hall_name') }}
        ) as hall_key,
        coalesce(
            {{ name_key_without_brackets('kopis_venues.venue_name') }},
            {{ name_key('kopis_venues.venue_name') }}
        ) as venue_key
    from halls
    inner join kopis_venues on halls.venue_id = kopis_venues.venue_id
),

counted as (
    select
        venue_id,
        min(hall_name) as hall_name,
        hall_key,
        min(venue_key) as venue_key,
        count(*) over (partition by hall_key) as venue_count
    from keyed
    where hall_key <> venue_key
    group by venue_id, hall_key
),

-- A hall is known by its name if no other house has a hall of that name, and always after the name
-- of its house: '예술의전당리사이틀홀'.
names as (
    select
        venue_id,
        hall_name,
        hall_key as name_key
    from counted
    where
        venue_count = 1
        and length(hall_key) >= 3
        and {{ regexp_extract('hall_key', generic) }} is null
    union all
    select
        venue_id,
        hall_name,
        venue_key || hall_key as name_key
    from counted
)

select
    venue_id,
    name_key,
    min(hall_name) as hall_name
from names
group by venue_id, name_key
