{#- Dist: a few thousand rows, joined by name. Sort: the name. -#}
{{ config(dist='all', sort='name_key') }}

with

kopis_venues as (
    select * from {{ ref('stg_kopis__venues') }}
),

kopis_venue_details as (
    select * from {{ ref('stg_kopis__venue_details') }}
),

spaces as (
    select * from {{ ref('stg_seoul__cultural_spaces') }}
),

space_venues as (
    select * from {{ ref('int_seoul_spaces_matched') }}
),

record_districts as (
    select * from {{ ref('int_records_assigned_to_districts') }}
),

halls as (
    select * from {{ ref('int_venue_halls_keyed') }}
),

aliases as (
    select * from {{ ref('venue_aliases') }}
),

named as (
    select
        record_districts.source,
        record_districts.record_id,
        'kopis-' || kopis_venues.venue_id as venue_id,
        kopis_venues.venue_name as name_ko,
        record_districts.district_id,
        details.longitude,
        details.latitude
    from kopis_venues
    inner join record_districts
        on
            kopis_venues.venue_id = record_districts.record_id
            and record_districts.source = 'kopis'
    left join kopis_venue_details as details on kopis_venues.venue_id = details.venue_id
    union all
    select
        record_districts.source,
        record_districts.record_id,
        space_venues.venue_id,
        spaces.space_name as name_ko,
        record_districts.district_id,
        spaces.longitude,
        spaces.latitude
    from spaces
    inner join space_venues on spaces.space_no = space_venues.space_no
    inner join record_districts
        on
            spaces.space_no = record_districts.record_id
            and record_districts.source = 'seoul_space'
),

-- A venue is known by its full name and by its name without brackets.
keyed as (
    select
        *,
        {{ name_key('name_ko') }} as name_key,
        cast(null as varchar(1000)) as hall_name,
        2 as precedence
    from named
    union all
    select
        *,
        {{ name_key_without_brackets('name_ko') }} as name_key,
        null as hall_name,
        2 as precedence
    from named
),

-- A house is also known by its halls, unless a venue has the name of the hall.
hall_names as (
    select
        named.*,
        halls.name_key,
        halls.hall_name,
        3 as precedence
    from halls
    inner join named on halls.venue_id = named.record_id and named.source = 'kopis'
    left join keyed on halls.name_key = keyed.name_key
    where keyed.name_key is null
),

alias_names as (
    select
        named.*,
        {{ name_key('aliases.alias_ko') }} as name_key,
        aliases.hall_ko as hall_name,
        1 as precedence
    from aliases
    inner join named
        on
            {{ name_key('aliases.house_ko') }} = {{ name_key('named.name_ko') }}
            or {{ name_key('aliases.house_ko') }} = {{ name_key_without_brackets('named.name_ko') }}
),

all_names as (
    select * from keyed
    union all
    select * from hall_names
    union all
    select * from alias_names
),

ranked_names as (
    select
        *,
        row_number() over (
            partition by source, record_id, name_key order by precedence, hall_name
        ) as name_rank
    from all_names
),

-- A single letter is not a name, and neither is a word that many places have.
known_names as (
    select
        source,
        record_id,
        venue_id,
        district_id,
        longitude,
        latitude,
        name_key,
        hall_name
    from ranked_names
    where
        name_rank = 1
        and district_id <> 'outside'
        and length(name_key) >= 2
        and name_key not in (
            '강당', '갤러리', '공연장', '광장', '극장', '다목적홀', '대강당', '대극장', '도서관', '로비', '미술관',
            '박물관', '소강당', '소극장', '야외무대', '온라인', '전시장', '전시실', '콘서트홀', '서울', '서울시'
        )
)

select * from known_names
