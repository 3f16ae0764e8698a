with

source as (
    select * from {{ source('staging_tour', 'removed_places') }}
),

newest as (
    {{ select_newest('source', ['"language"', 'content_id']) }}
),

renamed as (
    select
        "language" as language_code,
        content_id,
        content_type_id,
        title,
        old_content_id,
        cast(removed_at as timestamp) as removed_at,
        logical_date
    from newest
)

select * from renamed
