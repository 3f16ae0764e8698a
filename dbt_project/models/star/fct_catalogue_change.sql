{#- Rebuilt every time from the histories, of which a later list may close a version. Dist: what it
    joins is on every node. Sort: queries select the newest days. -#}
{{ config(dist='even', sort='changed_on') }}

with

place_versions as (
    select * from {{ ref('snap_place') }}
),

venue_versions as (
    select * from {{ ref('snap_venue') }}
),

days as (
    select * from {{ ref('dim_date') }}
),

versions as (
    select
        'place' as catalogue,
        place_id as item_id,
        title_en as name_en,
        title_ko as name_ko,
        district_id,
        is_listed,
        cast(dbt_valid_from as date) as valid_from,
        cast(dbt_valid_to as date) as valid_to
    from place_versions
    union all
    select
        'venue' as catalogue,
        venue_id as item_id,
        name_en,
        name_ko,
        district_id,
        true as is_listed,
        cast(dbt_valid_from as date) as valid_from,
        cast(dbt_valid_to as date) as valid_to
    from venue_versions
    where source <> 'none'
),

neighbours as (
    select
        *,
        min(valid_from) over (partition by catalogue) as history_from,
        lag(valid_to) over (
            partition by catalogue, item_id
            order by valid_from
        ) as previous_to,
        lag(is_listed) over (
            partition by catalogue, item_id
            order by valid_from
        ) as previous_is_listed,
        lead(valid_from) over (
            partition by catalogue, item_id
            order by valid_from
        ) as next_from
    from versions
),

begun as (
    select
        *,
        valid_from as changed_on,
        previous_to is not null as is_known,
        -- A gap between two versions means that the item was not there.
        coalesce(previous_to = valid_from and previous_is_listed, false) as was_listed
    from neighbours
),

-- An item leaves with a version that lists it no more, or with its row.
changes as (
    select
        catalogue,
        item_id,
        name_en,
        name_ko,
        district_id,
        changed_on,
        case
            when was_listed and is_listed then 'changed'
            when was_listed then 'gone'
            when is_known then 'returned'
            when valid_from = history_from then 'initial'
            else 'new'
        end as change
    from begun
    where was_listed or is_listed
    union all
    select
        catalogue,
        item_id,
        name_en,
        name_ko,
        district_id,
        valid_to as changed_on,
        'gone' as change
    from neighbours
    where
        is_listed
        and valid_to is not null
        and (next_from is null or next_from > valid_to)
),

keyed as (
    select
        changes.catalogue,
        changes.item_id,
        days.date_id as changed_date_id,
        changes.changed_on,
        changes.change,
        changes.name_en,
        changes.name_ko,
        changes.district_id
    from changes
    left join days on changes.changed_on = days.date_day
)

select * from keyed
