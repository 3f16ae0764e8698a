with

source as (
    select * from {{ source('staging_kopis', 'performance_details') }}
),

newest as (
    {{ select_newest('source', ['performance_id']) }}
),

renamed as (
    select
        newest.performance_id,
        newest.venue_id,
        newest.hall_id,
        newest.title,
        newest.venue_name as venue_and_hall_name,
        newest.area,
        newest.genre,
        newest.state,
        newest.cast_names,
        newest.crew_names,
        newest.running_time,
        newest.age_limit,
        newest.companies,
        newest.production_company,
        newest.agency,
        newest.host,
        newest.organizer,
        newest.synopsis,
        newest.schedule_text,
        newest.poster_url,
        newest.intro_image_urls,
        newest.ticket_links,
        {{ json_array_field('newest.ticket_links', 0, 'url') }} as ticket_url,
        newest.price_text,
        newest.is_open_run,
        newest.is_visit,
        newest.is_child as is_for_children,
        newest.is_daehakro,
        newest.is_festival,
        newest.is_musical_license as is_licensed_musical,
        newest.is_musical_create as is_original_musical,
        newest.starts_on,
        newest.ends_on,
        cast(newest.updated_at as timestamp) as updated_at,
        newest.logical_date
    from newest
)

select * from renamed
