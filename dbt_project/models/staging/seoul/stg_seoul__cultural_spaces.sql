with

source as (
    select * from {{ source('staging_seoul', 'cultural_spaces') }}
),

newest as (
    {{ select_newest('source', ['space_no']) }}
),

renamed as (
    select
        space_no,
        space_name,
        space_kind,
        address,
        phone,
        {{ web_address('website_url') }} as website_url,
        opening_hours,
        nullif(closed_days, '정보없음') as closed_days,
        opened_text,
        case fee_kind when '무료' then true when '유료' then false end as is_free,
        fee_text,
        seats_text,
        description,
        remarks,
        image_url,
        subway,
        case when {{ is_in_korea('longitude', 'latitude') }} then longitude end as longitude,
        case when {{ is_in_korea('longitude', 'latitude') }} then latitude end as latitude,
        logical_date
    from newest
)

select * from renamed
