with

source as (
    select * from {{ source('staging_tour', 'place_intros') }}
),

newest as (
    {{ select_newest('source', ['"language"', 'content_id']) }}
),

renamed as (
    select
        "language" as language_code,
        content_id,
        content_type_id,
        opening_hours,
        closed_days,
        fee,
        discount,
        parking,
        contact,
        reservation,
        reservation_url,
        check_in,
        check_out,
        rooms,
        facilities,
        event_place,
        programme,
        offers,
        visit_length,
        age_limit,
        organizer,
        homepage_url,
        logical_date
    from newest
)

select * from renamed
