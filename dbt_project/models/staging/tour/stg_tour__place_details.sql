with

source as (
    select * from {{ source('staging_tour', 'place_details') }}
),

newest as (
    {{ select_newest('source', ['"language"', 'content_id']) }}
),

renamed as (
    select
        "language" as language_code,
        content_id,
        title,
        overview,
        {{ web_address('homepage_url') }} as homepage_url,
        phone,
        phone_name,
        cast(modified_at as timestamp) as modified_at,
        logical_date
    from newest
)

select * from renamed
