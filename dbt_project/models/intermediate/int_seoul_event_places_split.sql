{#- Dist: joined by the text of the place. Sort: the same. -#}
{{ config(dist='place', sort='place') }}

{#- What follows the name of a house: a floor, a room, a part of the site or the address. -#}
{%- set room = '^(지하|지상|옥상|야외|실내|본관|별관|신관|전관|내|내부|외|앞|옆|뒤|뒷편|인근|일대|일원|주변|근처|부근|전역|및|등)( |$)'
    ~ '|^((지하|지상) ?[0-9]|B ?[0-9]|제? ?[0-9]+[~-]?[0-9]* ?(층|F|관|호|전시|강의|교육|번|실)|(전시|교육|안내|배움|모음|나눔|업무) ?[0-9]?동)'
    ~ '|^[^ ]*(실|룸|층|강당|로비|라운지|마당|무대|공연장|전시장|운동장|광장|출입구|입구|옥상|테라스|데스크|정원)[0-9]*( |$)'
    ~ '|^[^ ]*(대극장|중극장|소극장|다목적홀|콘서트홀|중앙홀|이벤트홀|전시홀|컨퍼런스홀|세미나홀|시민홀)( |$)'
    ~ '|^제 ?[0-9]|^[0-9]( [0-9])* ?(관|층|전시|호)' %}
{%- set address = '^서울(시|특별시)?( |$)|^[^ ]+구 [^ ]+(로|길|동)|^[^ ]+(로|길) ?[0-9]' %}
{%- set surroundings = '^((및|내|등|전관|일대|일원|인근|앞|부근|주변|전역) ?)+$' %}
{#- Streets before a house number, quarters and words that many places have are not the house. -#}
{%- set street = '(로|길)$' %}
{%- set locality = '^(서울(시|특별시)?( [^ ]*구)?( [^ ]*동)?|[^ ]*(구|동|역|로|길|시)|갤러리|박물관|미술관|도서관|과학관|센터|공원'
    ~ '|카페|스튜디오|아트센터|문화센터|소극장|극장|온라인)$' %}

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
),

judged as (
    select
        place,
        start_rank,
        span_length,
        span,
        name_key,
        case
            when
                {{ regexp_extract('rest', address) }} is null
                and {{ regexp_extract('rest', surroundings) }} is null
                then rest
        end as rest,
        coalesce(
            coalesce(
                {{ regexp_extract('rest', room) }}, {{ regexp_extract('rest', address) }}
            ) is not null
            and {{ regexp_extract('span', locality) }} is null,
            false
        ) as is_before_room,
        -- '반포대로 58' is an address, and '예술의전당 인근 공방' is another house.
        coalesce(
            ({{ regexp_extract('span', street) }} is not null and left(rest, 1) between '0' and '9')
            or (
                start_rank > 1
                and {{ regexp_extract('rest', '^(인근|앞|옆|뒤|근처|맞은편|건너편|주변|부근)( |$)') }} is not null
            ),
            false
        ) as is_direction
    from spans
)

select * from judged
