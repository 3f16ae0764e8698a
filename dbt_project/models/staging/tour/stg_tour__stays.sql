with

source as (
    select * from {{ source('staging_tour', 'stays') }}
),

newest as (
    {{ select_newest('source', ['"language"', 'content_id']) }}
),

renamed as (
    select
        {{ tour_record_columns() }}
    from newest
)

select * from renamed
