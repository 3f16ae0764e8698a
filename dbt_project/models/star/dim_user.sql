{#- Only users of new days are computed. Dist: it is joined with sessions, which are distributed by
    session, so a copy on every node avoids moving rows. Sort: the key they join on. -#}
{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='log_date',
        on_schema_change='fail',
        post_hook="{{ delete_logs_of_other_settings(ref('stg_web_logs__sessions')) }}",
        dist='all',
        sort='user_id',
    )
}}

with

users as (
    select * from {{ ref('stg_web_logs__users') }}
),

all_users as (
    select
        user_id,
        country_code,
        age_group,
        signed_up_at,
        log_date,
        load_id
    from users
    where {{ is_new_or_reloaded_log_date(ref('stg_web_logs__users')) }}
    {%- if not is_incremental() %}
        union all
        -- The user of searches without signing in. Without a day, the row is never deleted.
        select
            cast(0 as bigint) as user_id,
            cast('unknown' as varchar(20)) as country_code,
            cast('unknown' as varchar(20)) as age_group,
            cast(null as timestamp) as signed_up_at,
            cast(null as date) as log_date,
            cast(null as integer) as load_id
    {%- endif %}
)

select * from all_users
