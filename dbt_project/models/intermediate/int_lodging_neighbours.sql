{#- Dist: a few thousand pairs, copied to every node. Sort: the key of the next joins. -#}
{{ config(dist='all', sort='member') }}

with

keyed as (
    select * from {{ ref('int_lodging_records_keyed') }}
),

-- A place of TourAPI and a licence that share an address or are near each other.
neighbours as (
    select
        places.member,
        licences.member as neighbour,
        licences.kind,
        coalesce(places.address_key in (licences.address_key, licences.lot_key), false)
            as is_same_address,
        places.core_key = licences.core_key as is_same_core,
        cast(length(places.core_key) as integer) as core_length,
        cast(least(length(places.core_key), length(licences.core_key)) as integer)
            as shorter_length,
        case
            when strpos(licences.core_key, places.core_key) > 0
                then replace(licences.core_key, places.core_key, '')
            when strpos(places.core_key, licences.core_key) > 0
                then replace(places.core_key, licences.core_key, '')
        end as added,
        {{
            haversine_distance_m(
                'places.longitude', 'places.latitude', 'licences.longitude', 'licences.latitude'
            )
        }} as distance_m
    from keyed as places
    inner join keyed as licences
        on
            places.address_key = licences.address_key
            or places.address_key = licences.lot_key
            or (
                abs(places.latitude - licences.latitude) <= 0.003
                and abs(places.longitude - licences.longitude) <= 0.004
            )
    where
        places.source = 'tour'
        and licences.source = 'seoul'
)

select * from neighbours
