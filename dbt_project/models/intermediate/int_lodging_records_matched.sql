{#- Dist: a few thousand rows that lodgings join. Sort: the key they join on. -#}
{{ config(dist='all', sort=['source', 'record_id']) }}

with

tour_places as (
    select * from {{ ref('int_tour_places_merged') }}
),

licences as (
    select * from {{ ref('stg_seoul__lodgings') }}
),

-- A member begins with a number that sorts the most reliable source first: TourAPI, then licences
-- of hotels, of homestays, of other lodgings. Addresses are compared up to the house number.
candidates as (
    select
        'tour' as source,
        place_id as record_id,
        place_id as lodging_id,
        '1' || place_id as member,
        'tour' as kind,
        {{ name_key('title_ko') }} as name_key,
        split_part(split_part(address_ko, '(', 1), ',', 1) as address,
        longitude,
        latitude
    from tour_places
    where subject = 'lodging'
    union all
    select
        'seoul' as source,
        licence_no as record_id,
        'seoul-' || licence_no as lodging_id,
        case licence_kind when 'tourist_hotel' then '2' when 'homestay' then '3' else '4' end
        || 'seoul-' || licence_no as member,
        licence_kind as kind,
        {{ name_key('name') }} as name_key,
        split_part(split_part(road_address, '(', 1), ',', 1) as address,
        longitude,
        latitude
    from licences
    where is_open
),

keyed as (
    select
        source,
        record_id,
        lodging_id,
        member,
        kind,
        name_key,
        replace(replace(address, '서울특별시', '서울'), ' ', '') as address_key,
        longitude,
        latitude
    from candidates
),

-- Rule 1: records of different kinds have the same name and are near each other.
named_pairs as (
    select
        keyed.member,
        counterparts.member as neighbour,
        {{
            haversine_distance_m(
                'keyed.longitude',
                'keyed.latitude',
                'counterparts.longitude',
                'counterparts.latitude',
            )
        }} as distance_m
    from keyed
    inner join keyed as counterparts
        on
            keyed.name_key = counterparts.name_key
            and keyed.kind <> counterparts.kind
),

-- Rule 2: records share an address at which TourAPI and the licences have one lodging each. The
-- address of a building with many homestays does not identify any of them.
alone_at_address as (
    select
        source,
        address_key,
        min(member) as member
    from keyed
    where {{ regexp_extract('address_key', '[0-9]$') }} is not null
    group by source, address_key
    having count(*) = 1
),

addressed_pairs as (
    select
        alone_at_address.member,
        counterparts.member as neighbour
    from alone_at_address
    inner join alone_at_address as counterparts
        on
            alone_at_address.address_key = counterparts.address_key
            and alone_at_address.source <> counterparts.source
),

links as (
    select
        member,
        neighbour
    from named_pairs
    where distance_m <= {{ var('twin_distance_m') }}
    union all
    select
        member,
        neighbour
    from addressed_pairs
),

{{ connected_components_ctes() }},

matched as (
    select
        keyed.source,
        keyed.record_id,
        coalesce(substring(leaders.leader, 2), keyed.lodging_id) as lodging_id,
        row_number() over (
            partition by
                coalesce(substring(leaders.leader, 2), keyed.lodging_id), keyed.source
            order by keyed.member
        ) = 1 as is_first
    from keyed
    left join leaders on keyed.member = leaders.member
)

select * from matched
