with

source as (
    select * from {{ source('staging_kopis', 'performances') }}
),

newest as (
    {{ select_newest('source', ['performance_id']) }}
),

renamed as (
    select
        performance_id,
        title,
        venue_name,
        area,
        genre,
        state,
        poster_url,
        is_open_run,
        starts_on,
        ends_on,
        logical_date
    from newest
)

select * from renamed
