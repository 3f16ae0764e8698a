with

source as (
    select * from {{ source('staging_travelpayouts', 'fares') }}
),

-- All days are kept, not only the newest, since the table is the price history. The city's code
-- replaces a missing airport.
renamed as (
    select
        md5(
            origin || '|' || destination || '|' || departure_at || '|' || return_at
            || '|' || airline || '|' || flight_number
        ) as fare_id,
        currency as currency_code,
        origin as origin_code,
        destination as destination_code,
        coalesce(origin_airport, origin) as origin_airport_code,
        coalesce(destination_airport, destination) as destination_airport_code,
        airline as airline_code,
        flight_number,
        cast(departs_at as timestamp) as departs_at,
        departs_offset,
        cast(returns_at as timestamp) as returns_at,
        returns_offset,
        return_at = 'one-way' as is_one_way,
        cast(price as decimal(14, 2)) as price,
        cast(transfers as integer) as transfers,
        cast(return_transfers as integer) as return_transfers,
        cast(duration as integer) as duration_minutes,
        cast(duration_to as integer) as outbound_minutes,
        -- A one-way fare comes with 0 minutes back.
        cast(nullif(duration_back, 0) as integer) as return_minutes,
        seller,
        case
            when link like 'http://%' then 'https' || substring(link, 5)
            when link like 'https://%' then link
            when link like '/%' then 'https://www.aviasales.com' || link
            else 'https://www.aviasales.com/' || link
        end as search_url,
        logical_date as seen_on,
        _dlt_load_id as load_id
    from source
)

select * from renamed
