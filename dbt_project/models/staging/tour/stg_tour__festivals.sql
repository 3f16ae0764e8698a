with

source as (
    select * from {{ source('staging_tour', 'festivals') }}
),

newest as (
    {{ select_newest('source', ['"language"', 'content_id']) }}
),

renamed as (
    select
        {{ tour_record_columns() }},
        starts_on,
        ends_on,
        progress_type,
        festival_type
    from newest
)

select * from renamed
