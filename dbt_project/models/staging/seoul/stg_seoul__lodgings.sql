with

source as (
    select * from {{ source('staging_seoul', 'lodgings') }}
),

newest as (
    {{ select_newest('source', ['licence_no']) }}
),

renamed as (
    select
        licence_no,
        case service
            when 'LOCALDATA_031101' then 'tourist_hotel'
            when 'LOCALDATA_031103' then 'lodging'
            when 'LOCALDATA_031104' then 'homestay'
        end as licence_kind,
        authority_code,
        name,
        name_en,
        trade_name_en,
        lpad(trading_state, 2, '0') as trading_state,
        trading_state_name,
        lpad(trading_state, 2, '0') = '01' as is_open,
        licensed_on,
        closed_on,
        phone,
        lot_address,
        road_address,
        -- '4029.0' is 04029. '150-870' is a postcode from before 2015.
        case
            when road_zip_code not like '%-%' then lpad(split_part(road_zip_code, '.', 1), 5, '0')
        end as road_zip_code,
        cast(nullif(room_count, 0) as integer) as room_count,
        case when {{ is_in_korea('longitude', 'latitude') }} then longitude end as longitude,
        case when {{ is_in_korea('longitude', 'latitude') }} then latitude end as latitude,
        cast(modified_at as timestamp) as modified_at,
        logical_date
    from newest
)

select * from renamed
