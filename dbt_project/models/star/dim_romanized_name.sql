{#- In SQL, so that names which models make up are romanized too, without a load from raw:
    docs/decisions/romanization.md. Dist: a few thousand rows that the website's tables join. Sort:
    the key they join on. -#}
{{ config(dist='all', sort='name_ko') }}

with

events as (
    select * from {{ ref('fct_event') }}
),

venues as (
    select * from {{ ref('dim_venue') }}
),

lodgings as (
    select * from {{ ref('dim_lodging') }}
),

places as (
    select * from {{ ref('dim_place') }}
),

onsets as (
    select * from {{ ref('hangul_letters') }}
    where position = 'onset'
),

vowels as (
    select * from {{ ref('hangul_letters') }}
    where position = 'vowel'
),

codas as (
    select * from {{ ref('hangul_codas') }}
),

words as (
    select * from {{ ref('hangul_words') }}
),

numbers as (
    {{ dbt.generate_series(1000) }}
),

unioned as (
    select title_ko as name_ko from events
    where title_en is null
    union all
    select name_ko from venues
    where name_en is null
    union all
    select title_ko as name_ko from lodgings
    where title_en is null
    union all
    select title_ko as name_ko from places
    where title_en is null
),

names as (
    select distinct name_ko
    from unioned
),

{{ romanized_ctes() }}

select * from romanized
