{#- Dist: joined by the text of the place. Sort: the same. -#}
{{ config(dist='place', sort='place') }}

with

event_places as (
    select * from {{ ref('int_seoul_event_places_cleaned') }}
),

positions as (
    {{ dbt.generate_series(100) }}
),

-- Many events share a text, so each text is split only once.
places as (
    select distinct place
    from event_places
    where place is not null
),

-- '서울 삼성동 코엑스 1층 B홀': the name may come after the city and the neighbourhood.
starts as (
    select
        places.place,
        positions.generated_number as start_position,
        row_number() over (
            partition by places.place order by positions.generated_number
        ) as start_rank
    from places
    inner join positions
        on
            length(places.place) > positions.generated_number
            and (
                positions.generated_number = 1
                or substring(
                    places.place, cast(positions.generated_number - 1 as integer), 1
                ) = ' '
            )
),

tails as (
    select
        place,
        cast(start_rank as integer) as start_rank,
        substring(place, cast(start_position as integer)) as tail
    from starts
    where start_rank <= 3
),

-- Spans end at the end of a word: '강남구청소년수련관' is not at '강남구청'.
ends as (
    select
        tails.place,
        tails.start_rank,
        tails.tail,
        cast(positions.generated_number as integer) as span_length
    from tails
    inner join positions
        on
            length(tails.tail) >= positions.generated_number
            and (
                length(tails.tail) = positions.generated_number
                or substring(tails.tail, cast(positions.generated_number + 1 as integer), 1) = ' '
            )
),

spans as (
    select
        place,
        start_rank,
        span_length,
        left(tail, span_length) as span,
        {{ name_key('left(tail, span_length)') }} as name_key,
        nullif(trim(substring(tail, span_length + 1)), '') as rest
    from ends
)

select * from spans
