with

source as (
    select * from {{ source('staging_tour', 'categories') }}
),

newest as (
    {{ select_newest('source', ['"language"', 'category_code']) }}
),

renamed as (
    select
        "language" as language_code,
        category_code,
        group_code,
        class_code,
        category_name,
        group_name,
        class_name,
        logical_date
    from newest
)

select * from renamed
