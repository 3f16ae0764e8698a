with

source as (
    select * from {{ source('staging_tour', 'districts') }}
),

newest as (
    {{ select_newest('source', ['region', 'district']) }}
),

renamed as (
    select
        region as region_code,
        district as district_code,
        region_name,
        district_name,
        logical_date
    from newest
)

select * from renamed
