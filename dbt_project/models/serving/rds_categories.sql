{#- Dist: a few hundred rows. Sort: the export reads all rows by key. -#}
{{ config(dist='all', sort='category_id') }}

with

categories as (
    select * from {{ ref('dim_category') }}
),

served as (
    select
        category_id,
        level_number,
        parent_id,
        name_en,
        name_ko
    from categories
)

select * from served
