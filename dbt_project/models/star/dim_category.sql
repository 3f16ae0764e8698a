{#- Dist: a few hundred rows that places and lodgings join. Sort: the key they join on. -#}
{{ config(dist='all', sort='category_id') }}

with

categories as (
    select * from {{ ref('stg_tour__categories') }}
),

-- Each row of the list names all three levels, which become separate members.
levels as (
    select
        language_code,
        category_code as category_id,
        3 as level_number,
        group_code as parent_id,
        category_name as name
    from categories
    union all
    select
        language_code,
        group_code as category_id,
        2 as level_number,
        class_code as parent_id,
        group_name as name
    from categories
    union all
    select
        language_code,
        class_code as category_id,
        1 as level_number,
        cast(null as varchar(20)) as parent_id,
        class_name as name
    from categories
),

members as (
    select
        category_id,
        min(level_number) as level_number,
        min(parent_id) as parent_id,
        max(case when language_code = 'en' then name end) as name_en,
        max(case when language_code = 'ko' then name end) as name_ko,
        max(case when language_code = 'ja' then name end) as name_ja,
        max(case when language_code = 'zh' then name end) as name_zh
    from levels
    where category_id is not null
    group by category_id
),

with_unknown as (
    select
        category_id,
        level_number,
        parent_id,
        name_en,
        name_ko,
        name_ja,
        name_zh
    from members
    union all
    -- The member for a missing code and for a code that is not in the list.
    select
        'unknown' as category_id,
        1 as level_number,
        null as parent_id,
        'Unknown' as name_en,
        '미상' as name_ko,
        '不明' as name_ja,
        '未知' as name_zh
)

select * from with_unknown
