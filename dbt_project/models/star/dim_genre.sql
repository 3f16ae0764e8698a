{#- Dist: a dozen rows that events join. Sort: the key they join on. -#}
{{ config(dist='all', sort='genre_id') }}

with

genres as (
    select * from {{ ref('genres') }}
),

categories as (
    select * from {{ ref('dim_category') }}
),

-- TourAPI's groups of festivals are genres, with names in its languages.
translated as (
    select
        genres.genre_id,
        genres.name_en,
        genres.name_ko,
        categories.name_ja,
        categories.name_zh
    from genres
    left join categories on genres.genre_id = categories.category_id
),

with_unknown as (
    select
        genre_id,
        name_en,
        name_ko,
        name_ja,
        name_zh
    from translated
    union all
    -- The member for a missing genre and for a genre that the seed does not have.
    select
        'unknown' as genre_id,
        'Unknown' as name_en,
        '미상' as name_ko,
        '不明' as name_ja,
        '未知' as name_zh
)

select * from with_unknown
