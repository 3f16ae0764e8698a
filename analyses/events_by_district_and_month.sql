-- Where and when most events take place: events and event days per district and month.

with

event_days as (
    select * from {{ ref('fct_event_day') }}
),

days as (
    select * from {{ ref('dim_date') }}
),

districts as (
    select * from {{ ref('dim_district') }}
),

counted as (
    select
        districts.name_en as district,
        days.month_starts_on,
        count(distinct event_days.event_id) as events,
        count(*) as days_of_events
    from event_days
    inner join days on event_days.date_id = days.date_id
    inner join districts on event_days.district_id = districts.district_id
    where not event_days.is_closed
    group by districts.name_en, days.month_starts_on
)

select * from counted
order by events desc, month_starts_on asc, district asc
