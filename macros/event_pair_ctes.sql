{#- The CTE `pairs` (member, neighbour and how well they agree) and the CTEs that it needs: the
    records of the CTE `candidates` that are one event. The record of the less reliable source comes
    first, the later one of two records of the city. -#}
{% macro event_pair_ctes() -%}
    {#- Titles that many events have, however well the dates agree. -#}
    {%- set generic = '^(정기|신년|송년|송구영신|창단|기획|초청|특별|가을|봄|여름|겨울|가족|어린이|청소년|시민|구민'
        ~ '|크리스마스|벚꽃|봄꽃|열린|찾아가는|작은|토요|주말|야외)*'
        ~ '(연주회|음악회|독주회|독창회|리사이틀|콘서트|공연|축제|페스티벌|전시|전시회|개인전|정기전|특강|강연|체험|교육'
        ~ '|프로그램|워크숍|마켓|행사)$' %}
    {%- set is_ordered = 'candidates.precedence > counterparts.precedence'
        ~ " or (candidates.precedence = 3 and counterparts.precedence = 3"
        ~ ' and candidates.member > counterparts.member)' %}
-- A pair has the same title, the same dates, or the same venue, and always a day in common.
possible_pairs as (
    select
        candidates.member,
        counterparts.member as neighbour
    from candidates
    inner join candidates as counterparts
        on
            candidates.title_key = counterparts.title_key
            and candidates.starts_on <= counterparts.ends_on
            and candidates.ends_on >= counterparts.starts_on
    where {{ is_ordered }}
    union
    select
        candidates.member,
        counterparts.member as neighbour
    from candidates
    inner join candidates as counterparts
        on
            candidates.starts_on = counterparts.starts_on
            and candidates.ends_on = counterparts.ends_on
    where {{ is_ordered }}
    union
    select
        candidates.member,
        counterparts.member as neighbour
    from candidates
    inner join candidates as counterparts
        on
            candidates.venue_id = counterparts.venue_id
            and candidates.starts_on <= counterparts.ends_on
            and candidates.ends_on >= counterparts.starts_on
    where
        candidates.precedence = 3
        and counterparts.precedence = 1
),

measured_pairs as (
    select
        candidates.member,
        counterparts.member as neighbour,
        candidates.precedence,
        counterparts.precedence as neighbour_precedence,
        candidates.title_key = counterparts.title_key as is_same_title,
        -- The title of one is the beginning or the end of the other's, or all but its brackets.
        case
            when
                left(counterparts.title_key, length(candidates.title_key)) = candidates.title_key
                or right(counterparts.title_key, length(candidates.title_key)) = candidates.title_key
                or candidates.title_key = counterparts.base_key then candidates.title_key
            when
                left(candidates.title_key, length(counterparts.title_key)) = counterparts.title_key
                or right(candidates.title_key, length(counterparts.title_key)) = counterparts.title_key
                or counterparts.title_key = candidates.base_key then counterparts.title_key
        end as shared_key,
        case
            when
                right(candidates.base_key, length(counterparts.title_key)) = counterparts.title_key
                then counterparts.title_key
        end as performed_key,
        case
            when
                right(counterparts.title_key, length(candidates.title_key)) = candidates.title_key
                then candidates.title_key
            when
                right(candidates.title_key, length(counterparts.title_key)) = counterparts.title_key
                then counterparts.title_key
        end as last_key,
        case
            when candidates.title_key = counterparts.bracket_key then candidates.title_key
            when counterparts.title_key = candidates.bracket_key then counterparts.title_key
        end as bracketed_key,
        coalesce(candidates.edition = counterparts.edition, true) as is_edition_possible,
        coalesce(candidates.edition, '') = coalesce(counterparts.edition, '') as is_same_edition,
        candidates.starts_on = counterparts.starts_on as is_same_start,
        candidates.starts_on = counterparts.starts_on
        and candidates.ends_on = counterparts.ends_on as is_same_dates,
        candidates.starts_on < candidates.ends_on as has_days,
        coalesce(candidates.venue_id = counterparts.venue_id, false) as is_same_venue,
        coalesce(candidates.district_id = counterparts.district_id, false) as is_same_district,
        abs(candidates.starts_on - counterparts.starts_on) as days_apart,
        {{
            haversine_distance_m(
                'candidates.longitude',
                'candidates.latitude',
                'counterparts.longitude',
                'counterparts.latitude',
            )
        }} as distance_m
    from possible_pairs
    inner join candidates on possible_pairs.member = candidates.member
    inner join candidates as counterparts on possible_pairs.neighbour = counterparts.member
),

placed_pairs as (
    select
        *,
        is_same_venue
        or coalesce(distance_m <= {{ var('same_event_distance_m') }}, false)
        or (distance_m is null and is_same_district) as is_near,
        case
            when {{ regexp_extract('shared_key', generic) }} is null then length(shared_key)
        end as shared_length,
        case
            when {{ regexp_extract('performed_key', generic) }} is null then length(performed_key)
        end as performed_length,
        case
            when {{ regexp_extract('last_key', generic) }} is null then length(last_key)
        end as last_length
    from measured_pairs
),

pairs as (
    select *
    from placed_pairs
    where
        -- Sources differ: the same title nearby, or in the same district on exactly the same days.
        (
            precedence > neighbour_precedence
            and is_edition_possible
            and is_same_title
            and (is_near or (is_same_dates and is_same_district and neighbour_precedence = 2))
        )
        -- Part of the title on exactly the same days.
        or (
            precedence > neighbour_precedence
            and is_edition_possible
            and is_same_dates
            and (
                (shared_length >= 5 and is_near)
                or (shared_length >= 5 and is_same_district and neighbour_precedence = 2)
                or (shared_length >= 6 and has_days and neighbour_precedence = 2)
            )
        )
        -- The city announces a day of a performance under a longer title.
        or (
            precedence = 3
            and neighbour_precedence = 1
            and is_edition_possible
            and is_same_venue
            and performed_length >= 6
        )
        -- The city lists an event twice.
        or (
            precedence = 3
            and neighbour_precedence = 3
            and is_same_edition
            and (
                (is_same_title and is_same_start and is_same_venue)
                or (is_same_dates and is_same_venue and last_length >= 8)
                or (is_same_dates and is_same_district and length(bracketed_key) >= 8)
            )
        )
)
{%- endmacro %}
