{#- Dist: a few hundred rows. Sort: the export reads all rows by key. -#}
{{ config(dist='all', sort='category_id') }}

with

categories as (
    select * from {{ ref('dim_category') }}
),

places as (
    select * from {{ ref('dim_place') }}
),

lodgings as (
    select * from {{ ref('dim_lodging') }}
),

used as (
    select category_id from places
    union all
    select category_id from lodgings
),

-- The unknown category is served if a row refers to it.
referenced as (
    select distinct category_id
    from used
),

served as (
    select
        categories.category_id,
        'tour' as source,
        {{ attribution("'tour'") }} as attribution,
        categories.level_number,
        categories.parent_id,
        categories.name_en,
        categories.name_ko,
        categories.name_ja,
        categories.name_zh
    from categories
    left join referenced on categories.category_id = referenced.category_id
    where
        categories.category_id <> 'unknown'
        or referenced.category_id is not null
)

select * from served
