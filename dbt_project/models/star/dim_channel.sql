{#- Dist: eight rows that every session joins. Sort: the key they join on. -#}
{{ config(dist='all', sort='channel_code') }}

with

channels as (
    select * from {{ ref('channels') }}
),

named as (
    select
        channel_code,
        name_en,
        name_ko
    from channels
)

select * from named
