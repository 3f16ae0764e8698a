{#- Dist: joined to its days on the key, which spreads evenly.
    Sort: queries select events by date. -#}
{{ config(dist='event_id', sort='starts_on') }}

{%- set details = [
    'description_en', 'description_ko', 'description_ja', 'description_zh',
    'event_place_en', 'event_place_ko', 'event_place_ja', 'event_place_zh',
    'programme_en', 'programme_ko', 'programme_ja', 'programme_zh',
    'homepage_url', 'discount', 'reservation', 'cast_names',
    'crew_names', 'production_company', 'agency', 'host',
    'ticket_links', 'is_festival', 'is_for_children', 'is_from_abroad',
    'is_daehakro', 'is_original_musical', 'is_licensed_musical',
] %}

with

records as (
    select * from {{ ref('int_event_records_unioned') }}
),

matches as (
    select * from {{ ref('int_event_records_matched') }}
),

withdrawn as (
    select * from {{ ref('int_events_withdrawn') }}
),

days as (
    select * from {{ ref('dim_date') }}
),

ranked as (
    select
        records.*,
        matches.event_id as kept_event_id,
        nullif(records.genre_id, 'unknown') as known_genre_id,
        records.venue_id <> 'unknown' as has_venue,
        records.price_text is not null or records.max_price_krw is not null as has_price,
        records.image_url is not null as has_image,
        case when records.image_url is not null then records.source end as image_source,
        row_number() over (
            partition by matches.event_id
            order by
                case when matches.record_id = matches.event_id then 0 else 1 end,
                case records.source when 'kopis' then 1 when 'tour' then 2 else 3 end,
                records.event_id
        ) as record_rank
    from records
    inner join matches on records.event_id = matches.record_id
),

other_records as (
    select
        event_id,
        {{ dbt.listagg('record_id', "', '", 'order by record_id') }} as also_in
    from matches
    where record_id <> event_id
    group by event_id
),

-- Up to three records fill the columns of an event. Further records only appear in also_in.
merged as (
    select
        kept.event_id,
        kept.source,
        other_records.also_in,
        {{ coalesce_records('performance_id') }},
        {{ coalesce_records('content_id_en') }},
        {{ coalesce_records('content_id_ko') }},
        {{ coalesce_records('event_code') }},
        {{ coalesce_records('title_en') }},
        {{ coalesce_records('title_ko') }},
        {{ coalesce_records('title_ja') }},
        {{ coalesce_records('title_zh') }},
        coalesce(
            kept.known_genre_id, second.known_genre_id, third.known_genre_id, 'unknown'
        ) as genre_id,
        {{ coalesce_records('venue_id', when='has_venue') }},
        {{ coalesce_records('hall_name', when='has_venue') }},
        {{ coalesce_records('district_id', when='has_venue') }},
        kept.starts_on,
        {{ coalesce_records('ends_on') }},
        kept.is_open_run,
        {{ coalesce_records('is_free') }},
        {{ coalesce_records('min_price_krw', when='has_price') }},
        {{ coalesce_records('max_price_krw', when='has_price') }},
        {{ coalesce_records('price_text', when='has_price') }},
        {{ coalesce_records('schedule_text') }},
        {{ coalesce_records('running_time') }},
        {{ coalesce_records('age_limit') }},
        {{ coalesce_records('organizer') }},
        {%- for column in details %}
            {{ coalesce_records(column) }},
        {%- endfor %}
        {{ coalesce_records('phone') }},
        {{ coalesce_records('url') }},
        {{ coalesce_records('image_url', when='has_image') }},
        {{ coalesce_records('thumbnail_url', when='has_image') }},
        {{ coalesce_records('copyright_type', when='has_image') }},
        {{ coalesce_records('image_source') }},
        {{ coalesce_records('longitude', when='has_point') }},
        {{ coalesce_records('latitude', when='has_point') }},
        {{ coalesce_records('location_precision', when='has_point') }},
        kept.logical_date
    from ranked as kept
    left join ranked as second
        on
            kept.kept_event_id = second.kept_event_id
            and second.record_rank = 2
    left join ranked as third
        on
            kept.kept_event_id = third.kept_event_id
            and third.record_rank = 3
    left join other_records on kept.event_id = other_records.event_id
    where kept.record_rank = 1
),

-- Dates remain as the source gave them and may be null, as for some festivals: an unannounced end
-- is not invented. A date outside the calendar has no key.
keyed as (
    select
        merged.*,
        first_days.date_id as first_date_id,
        last_days.date_id as last_date_id,
        withdrawn.event_id is null as is_listed
    from merged
    left join withdrawn on merged.event_id = withdrawn.event_id
    left join days as first_days on merged.starts_on = first_days.date_day
    left join days as last_days on merged.ends_on = last_days.date_day
)

select * from keyed
