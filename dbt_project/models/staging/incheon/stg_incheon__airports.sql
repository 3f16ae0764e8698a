with

source as (
    select * from {{ source('staging_incheon', 'airports') }}
),

newest as (
    {{ select_newest('source', ['airport']) }}
),

newest_list as (
    select max(logical_date) as logical_date
    from source
),

renamed as (
    select
        newest.airport as airport_code,
        newest.airport_name as name_ko,
        newest.country_name as country_ko,
        newest.logical_date = newest_list.logical_date as is_served,
        newest.logical_date
    from newest
    cross join newest_list
)

select * from renamed
