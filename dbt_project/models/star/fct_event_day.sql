{#- Dist: a day is on the node of its event. Sort: queries select events by day. -#}
{{ config(dist='event_id', sort='date_id') }}

with

events as (
    select * from {{ ref('fct_event') }}
),

venues as (
    select * from {{ ref('dim_venue') }}
),

days as (
    select * from {{ ref('dim_date') }}
),

-- What is said of closed days: by the event itself, or else by its venue. A shorter event than a
-- week names its days with its dates, whatever is usual at its venue.
with_texts as (
    select
        events.event_id,
        events.starts_on,
        events.ends_on,
        events.venue_id,
        events.district_id,
        events.genre_id,
        case
            when {{ is_weekday_list('events.schedule_text') }} then events.schedule_text
        end as weekday_list,
        coalesce(
            {{ regexp_extract('events.schedule_text', '[^0-9:()~]*(휴관|휴무|휴원|휴장)') }},
            case when events.ends_on >= events.starts_on + 6 then venues.closed_days end
        ) as closed_days
    from events
    left join venues on events.venue_id = venues.venue_id
),

-- Dates, and the Sundays that holidays leave out, name no closed weekday.
cleaned as (
    select
        *,
        {{ regexp_remove('closed_days', '[0-9]+ *월 *[0-9]+ *일|일요일(을|은)? *제외한?') }}
            as closed_text
    from with_texts
),

with_weekdays as (
    select
        *,
        {{ is_closed_on(1, 'weekday_list', 'closed_text') }} as is_closed_on_monday,
        {{ is_closed_on(2, 'weekday_list', 'closed_text') }} as is_closed_on_tuesday,
        {{ is_closed_on(3, 'weekday_list', 'closed_text') }} as is_closed_on_wednesday,
        {{ is_closed_on(4, 'weekday_list', 'closed_text') }} as is_closed_on_thursday,
        {{ is_closed_on(5, 'weekday_list', 'closed_text') }} as is_closed_on_friday,
        {{ is_closed_on(6, 'weekday_list', 'closed_text') }} as is_closed_on_saturday,
        {{ is_closed_on(7, 'weekday_list', 'closed_text') }} as is_closed_on_sunday
    from cleaned
),

-- An event without an announced end has only its first day. An event whose end is before its start
-- has no days. Performances begin and end on days with a performance.
event_days as (
    select
        with_weekdays.event_id,
        days.date_id,
        with_weekdays.venue_id,
        with_weekdays.district_id,
        with_weekdays.genre_id,
        cast(days.date_day - with_weekdays.starts_on + 1 as integer) as day_number,
        case days.iso_weekday
            when 1 then with_weekdays.is_closed_on_monday
            when 2 then with_weekdays.is_closed_on_tuesday
            when 3 then with_weekdays.is_closed_on_wednesday
            when 4 then with_weekdays.is_closed_on_thursday
            when 5 then with_weekdays.is_closed_on_friday
            when 6 then with_weekdays.is_closed_on_saturday
            when 7 then with_weekdays.is_closed_on_sunday
        end
        and not (
            with_weekdays.weekday_list is not null
            and days.date_day
            in (with_weekdays.starts_on, coalesce(with_weekdays.ends_on, with_weekdays.starts_on))
        ) as is_closed
    from with_weekdays
    inner join days
        on
            days.date_day between with_weekdays.starts_on
            and coalesce(with_weekdays.ends_on, with_weekdays.starts_on)
)

select * from event_days
