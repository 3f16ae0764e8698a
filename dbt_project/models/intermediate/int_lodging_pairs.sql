{#- Dist: a few hundred pairs, copied to every node. Sort: the key of the next joins. -#}
{{ config(dist='all', sort='member') }}

with

keyed as (
    select * from {{ ref('int_lodging_records_keyed') }}
),

neighbours as (
    select * from {{ ref('int_lodging_neighbours') }}
),

-- Rule 1: records have the same name and one address, or are of different kinds and near each
-- other.
named_pairs as (
    select
        keyed.member,
        counterparts.member as neighbour,
        keyed.kind <> counterparts.kind as is_other_kind,
        coalesce(keyed.address_key = counterparts.address_key, false) as is_same_address,
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
            and keyed.member <> counterparts.member
),

-- Rule 2: at one address, one name contains the other. A hotel near it has the same name but for
-- such words, or a long one that contains the other. What numbers a branch or a wing is another
-- name.
contained_pairs as (
    select
        member,
        neighbour,
        row_number() over (
            partition by neighbour
            order by
                case when is_same_core then 0 else 1 end asc,
                case when is_same_address then 0 else 1 end asc,
                core_length desc,
                distance_m asc nulls last,
                member asc
        ) as place_rank
    from neighbours
    where
        (
            is_same_address
            and added is not null
            and shorter_length >= case when kind = 'homestay' then 3 else 2 end
        )
        or (
            kind <> 'homestay'
            and distance_m <= {{ var('twin_distance_m') }}
            and (
                is_same_core
                or (
                    added is not null
                    and shorter_length >= 6
                    and {{ regexp_extract('added', '[0-9]|ii|Ⅰ|Ⅱ|Ⅲ|점|관|동$') }} is null
                )
            )
        )
),

-- Rule 3: records share an address at which TourAPI and the licences have one lodging each. The
-- address of a building does not identify a homestay or a lodging on one of its floors.
alone_at_address as (
    select
        source,
        address_key,
        min(member) as member,
        max(case when kind = 'homestay' or is_part_of_building then 1 else 0 end) as is_part
    from keyed
    where address_key is not null
    group by source, address_key
    having count(*) = 1
),

addressed_pairs as (
    select
        places.member,
        licences.member as neighbour
    from alone_at_address as places
    inner join alone_at_address as licences on places.address_key = licences.address_key
    where
        places.source = 'tour'
        and licences.source = 'seoul'
        and licences.is_part = 0
),

pairs as (
    select
        member,
        neighbour
    from named_pairs
    where
        is_same_address
        or (is_other_kind and distance_m <= {{ var('twin_distance_m') }})
    union distinct
    select
        member,
        neighbour
    from contained_pairs
    where place_rank = 1
    union distinct
    select
        member,
        neighbour
    from addressed_pairs
),

both_directions as (
    select
        member,
        neighbour
    from pairs
    union distinct
    select
        neighbour as member,
        member as neighbour
    from pairs
)

select * from both_directions
