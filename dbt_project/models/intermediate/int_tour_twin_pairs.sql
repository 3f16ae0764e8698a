{#- Dist: a few thousand pairs, copied to every node. Sort: the key of the next join. -#}
{{ config(dist='all', sort=['language_code', 'content_id']) }}
{%- set beside, near = 50, var('twin_distance_m') %}
{%- set wide, widest = var('large_site_distance_m') / 5, var('large_site_distance_m') %}

with

keyed as (
    select * from {{ ref('int_tour_records_keyed') }}
),

candidates as (
    select * from {{ ref('int_tour_twin_candidates') }}
),

pairs as (
    select
        candidates.language_code,
        candidates.content_id,
        candidates.content_id_ko,
        candidates.is_same_kind,
        candidates.is_only_one and candidates.is_same_kind as is_only_one,
        foreign_records.name_key = korean_records.name_key as is_whole_name,
        foreign_records.is_listed as is_foreign_listed,
        korean_records.is_listed as is_korean_listed,
        korean_records.is_small,
        foreign_records.has_brackets and korean_records.has_brackets as has_other_brackets,
        coalesce(foreign_records.district_id = korean_records.district_id, false)
            as is_same_district,
        coalesce(
            (
                foreign_records.house_number = korean_records.house_number
                and foreign_records.district_id = korean_records.district_id
            )
            or foreign_records.zip_code = korean_records.zip_code,
            false
        ) as is_same_address,
        coalesce(foreign_records.house_number <> korean_records.house_number, false)
            as is_other_number,
        {{
            haversine_distance_m(
                'foreign_records.longitude',
                'foreign_records.latitude',
                'korean_records.longitude',
                'korean_records.latitude'
            )
        }} as distance_m
    from candidates
    inner join keyed as foreign_records
        on
            candidates.language_code = foreign_records.language_code
            and candidates.content_id = foreign_records.content_id
    inner join keyed as korean_records
        on
            candidates.content_id_ko = korean_records.content_id
            and korean_records.language_code = 'ko'
),

-- The surer the name, the further apart the points may be: those of a palace are at its gate or in
-- its middle. A name that several records or a chain have counts only at one address.
limited as (
    select
        *,
        case
            when not is_only_one and is_same_address then {{ near }}
            when not is_only_one and is_whole_name and not is_other_number then {{ beside }}
            when not is_only_one then -1
            when is_small and is_same_address then {{ wide }}
            when is_small and is_whole_name and not is_other_number then {{ near }}
            when is_small then 2 * {{ beside }}
            when is_whole_name and (is_same_address or is_same_district) then {{ widest }}
            when is_whole_name or is_same_address then {{ wide }}
            when is_same_district and not has_other_brackets then 2 * {{ near }}
            else {{ near }}
        end as max_distance_m
    from pairs
),

-- A record without a point needs a whole name that is the only one, and the same address or
-- district.
near_pairs as (
    select
        language_code,
        content_id,
        content_id_ko,
        is_foreign_listed,
        is_korean_listed,
        case when is_same_kind then 0 else 2 end
        + case when is_whole_name then 0 else 1 end as name_rank,
        case when is_same_address then 0 else 1 end as address_rank,
        distance_m
    from limited
    where
        distance_m <= max_distance_m
        or (
            distance_m is null
            and is_only_one
            and is_whole_name
            and (is_same_address or (is_same_district and not is_small))
        )
)

select * from near_pairs
