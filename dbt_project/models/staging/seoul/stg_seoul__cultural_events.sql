with

source as (
    select * from {{ source('staging_seoul', 'cultural_events') }}
),

newest as (
    {{ select_newest('source', ['event_code']) }}
),

renamed as (
    select
        newest.event_code,
        newest.title,
        newest.genre,
        newest.district_name,
        newest.place,
        nullif(newest.organizer, '기타') as organizer,
        newest.audience,
        newest.fee_text,
        case newest.fee_kind when '무료' then true when '유료' then false end as is_free,
        newest.inquiry,
        newest.time_text,
        newest.players,
        newest.program,
        newest.remarks,
        {{ web_address('newest.website_url') }} as website_url,
        newest.page_url,
        newest.image_url,
        newest.ticket_kind,
        newest.theme,
        newest.starts_on,
        newest.ends_on,
        newest.registered_on,
        case
            when {{ is_in_korea('newest.longitude', 'newest.latitude') }} then newest.longitude
        end as longitude,
        case
            when {{ is_in_korea('newest.longitude', 'newest.latitude') }} then newest.latitude
        end as latitude,
        newest.logical_date
    from newest
)

select * from renamed
