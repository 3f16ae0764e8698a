with

source as (
    select * from {{ source('staging_tour', 'images') }}
),

-- A response has all images of its place: those of earlier ones do not count.
newest as (
    {{ select_newest('source', ['"language"', 'content_id']) }}
),

-- A place without further images has one row without an image.
renamed as (
    select
        "language" as language_code,
        content_id,
        serial as serial_number,
        image_url,
        thumbnail_url,
        image_name,
        copyright_type,
        logical_date
    from newest
    where
        serial <> 'none'
        and image_url is not null
)

select * from renamed
