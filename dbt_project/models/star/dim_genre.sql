{#- Dist: a dozen rows that events join. Sort: the key they join on. -#}
{{ config(dist='all', sort='genre_id') }}

with

genres as (
    select * from {{ ref('genres') }}
),

with_unknown as (
    select
        genre_id,
        name_en,
        name_ko
    from genres
    union all
    -- The member for a missing genre and for a genre that the seed does not have.
    select
        'unknown' as genre_id,
        'Unknown' as name_en,
        '미상' as name_ko
)

select * from with_unknown
