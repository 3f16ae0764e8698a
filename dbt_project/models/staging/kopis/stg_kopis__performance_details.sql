with

source as (
    select * from {{ source('staging_kopis', 'performance_details') }}
),

ranked as (
    select
        *,
        {{ version_rank(['performance_id']) }} as version_rank
    from source
),

newest as (
    select * from ranked
    where version_rank = 1
),

-- 'R석 110,000원, S석 90,000원' has two. No recorded text has more than nine.
positions as (
    {{ dbt.generate_series(20) }}
),

price_texts as (
    select
        newest.performance_id,
        {{
            nth_match(
                'newest.price_text',
                '[0-9][0-9,]{0,10} ?원',
                'cast(positions.generated_number as integer)',
            )
        }} as price_text
    from newest
    cross join positions
),

prices as (
    select
        performance_id,
        cast(translate(price_text, '원, ', '') as numeric(12, 0)) as price_krw
    from price_texts
    where price_text is not null
),

-- '전석무료': all seats are free.
free_seats as (
    select
        performance_id,
        0 as price_krw
    from newest
    where price_text like '%무료%'
),

all_prices as (
    select * from prices
    union all
    select * from free_seats
),

price_ranges as (
    select
        performance_id,
        min(price_krw) as min_price_krw,
        max(price_krw) as max_price_krw
    from all_prices
    group by performance_id
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
        {{ json_list_field('newest.ticket_links', 0, 'url') }} as ticket_url,
        newest.price_text,
        cast(price_ranges.min_price_krw as numeric(12, 0)) as min_price_krw,
        cast(price_ranges.max_price_krw as numeric(12, 0)) as max_price_krw,
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
        newest.logical_date as loaded_on
    from newest
    left join price_ranges on newest.performance_id = price_ranges.performance_id
)

select * from renamed
