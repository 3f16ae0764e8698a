with

source as (
    select * from {{ source('staging_tour', 'festivals') }}
),

ranked as (
    select
        *,
        {{ version_rank(['"language"', 'content_id']) }} as version_rank
    from source
),

renamed as (
    select
        {{ tour_record_columns() }},
        starts_on,
        ends_on,
        progress_type,
        festival_type
    from ranked
    where version_rank = 1
)

select * from renamed
