with

source as (
    select * from {{ source('staging_tour', 'places') }}
),

ranked as (
    select
        *,
        {{ version_rank(['"language"', 'content_id']) }} as version_rank
    from source
),

renamed as (
    select
        {{ tour_record_columns() }}
    from ranked
    where version_rank = 1
)

select * from renamed
