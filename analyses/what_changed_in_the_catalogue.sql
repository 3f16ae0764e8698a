-- What changed in the catalogue: places and venues that came, changed or left, by day.

with

changes as (
    select * from {{ ref('fct_catalogue_change') }}
),

by_day as (
    select
        changed_on,
        catalogue,
        sum(case when change = 'initial' then 1 else 0 end) as initial_count,
        sum(case when change = 'new' then 1 else 0 end) as new_count,
        sum(case when change = 'changed' then 1 else 0 end) as changed_count,
        sum(case when change = 'gone' then 1 else 0 end) as gone_count,
        sum(case when change = 'returned' then 1 else 0 end) as returned_count
    from changes
    group by changed_on, catalogue
)

select * from by_day
order by changed_on desc, catalogue asc
