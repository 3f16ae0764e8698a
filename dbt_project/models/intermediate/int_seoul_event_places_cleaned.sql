{#- Dist: 20,000 rows, joined by event. Sort: the key they join on. -#}
{{ config(dist='all', sort='event_code') }}

{#- A place that is only a room of a house that the text does not name. -#}
{%- set room = '^((지하|지상) ?([0-9]|[^ ]*(실|홀)( |$))|(옥상|본관|별관|신관|로비|강당|학급)( |$)|B[0-9]( |$)'
    ~ '|제 ?[0-9]+ ?(전시|강의)실'
    ~ '|[0-9]+ ?(층|F)|(전시|교육|안내|업무)[0-9]?동( |$)|(전시실|강의실)[0-9]'
    ~ '|((어린이|유아|가족|종합|아동|청소년|디지털|문화|기획|상설|시청각|전시|정보)*'
    ~ '(열람실|자료실|교육실|강의실|강좌실|세미나실|회의실|전시실|체험실|프로그램실|동아리실|교실|다목적실|시청각실)'
    ~ '|다목적홀|대강당|소강당|중강당|박물관|미술관|도서관|과학관|신청사|본청|식물문화센터|안내부스에?)( |$))' %}
{#- Organizers that are a place, unlike a district office or a foundation. -#}
{%- set house = '(박물관|미술관|도서관|과학관|식물원|동물원|극장|문화관|회관|기념관|문학관|기록원|국악당|국악원'
    ~ '|전당|아트홀|수련관|상상나라|문화원|센터)$' %}
{%- set online = '^(온라인|비대면|재택|줌|[Zz]oom|ZOOM|유튜브|[Yy]ou[Tt]ube|메타버스|인터넷|랜선)' %}
{%- set various = '^[^ ]+( [^ ]+)? ?상이|^각 ?(기관|학급|학교|가정|지역|도서관|자치구)|^각급|^신청 ?(기관|학교|학급|단체)|^학급'
    ~ '|^(추후|미정|별도|장소 ?미정|홈페이지|상세)|추후 ?(공지|안내|결정)|(서울|시|시내|전국|자치구) ?(전역|전 지역|곳곳)$'
    ~ '|관내 |[0-9] ?(곳|개소|개 ?(도서관|캠퍼스|공원|한강공원|장소|지역|자치구|구|기관|학교))' %}

with

events as (
    select * from {{ ref('stg_seoul__cultural_events') }}
),

record_districts as (
    select * from {{ ref('int_records_assigned_to_districts') }}
    where source = 'seoul_event'
),

-- Brackets and punctuation become blanks, so that the text can be split into words.
cleaned as (
    select
        events.event_code,
        events.organizer,
        events.place as raw_place,
        trim(
            replace(
                replace(
                    replace(translate(events.place, '()[]<>,/|', '         '), '   ', ' '),
                    '  ',
                    ' '
                ),
                '  ',
                ' '
            )
        ) as place,
        record_districts.district_id,
        events.longitude,
        events.latitude
    from events
    inner join record_districts on events.event_code = record_districts.record_id
),

-- A text of digits, '13:00-15:00', is not a place.
classified as (
    select
        *,
        case
            when translate(place, '0123456789:~-. ', '') = '' then 'room'
            when
                {{ regexp_extract('place', online) }} is not null
                and {{ regexp_extract('place', ' 및 |병행|오프라인|현장|[+&]') }} is null
                then 'online'
            when {{ regexp_extract('place', various) }} is not null then 'various'
            when raw_place like '%,%상이%' then 'various'
            when {{ regexp_extract('place', room) }} is not null then 'room'
            else 'house'
        end as place_kind
    from cleaned
),

-- The house of a room without a house is its organizer, if that is a house.
housed as (
    select
        event_code,
        case
            when place_kind = 'room' and {{ regexp_extract('organizer', house) }} is not null
                then organizer || ' ' || place
            else place
        end as place,
        case
            when place_kind = 'room' and {{ regexp_extract('organizer', house) }} is not null
                then 'house'
            else place_kind
        end as place_kind,
        district_id,
        longitude,
        latitude
    from classified
)

select * from housed
