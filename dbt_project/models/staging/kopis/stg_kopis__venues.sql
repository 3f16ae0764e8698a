with

source as (
    select * from {{ source('staging_kopis', 'venues') }}
),

newest as (
    {{ select_newest('source', ['venue_id']) }}
),

renamed as (
    select
        venue_id,
        venue_name,
        venue_kind,
        province,
        district_name,
        cast(hall_count as integer) as hall_count,
        cast(opened_year as integer) as opened_year,
        logical_date
    from newest
)

select * from renamed
