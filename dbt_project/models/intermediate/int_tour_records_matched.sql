{#- Dist: a few thousand rows, copied to every node for joins by record.
    Sort: the key of those joins. -#}
{{ config(dist='all', sort=['language_code', 'content_id']) }}

with

records as (
    select * from {{ ref('int_tour_records_named') }}
),

korean_records as (
    select * from records
    where language_code = 'ko'
),

foreign_records as (
    select * from records
    where language_code <> 'ko'
),

pairs as (
    select
        foreign_records.language_code,
        foreign_records.content_id,
        korean_records.content_id as content_id_ko,
        foreign_records.is_listed as is_foreign_listed,
        korean_records.is_listed as is_korean_listed,
        {{
            haversine_distance_m(
                'foreign_records.longitude',
                'foreign_records.latitude',
                'korean_records.longitude',
                'korean_records.latitude'
            )
        }} as distance_m
    from foreign_records
    inner join korean_records
        on
            replace(foreign_records.title_ko, ' ', '') = replace(korean_records.title_ko, ' ', '')
            and foreign_records.subject = korean_records.subject
),

-- A record that is still listed comes before one that the source removed, which it may replace.
ranked_pairs as (
    select
        *,
        row_number() over (
            partition by language_code, content_id
            order by case when is_korean_listed then 0 else 1 end, distance_m, content_id_ko
        ) as korean_rank,
        row_number() over (
            partition by language_code, content_id_ko
            order by case when is_foreign_listed then 0 else 1 end, distance_m, content_id
        ) as foreign_rank
    from pairs
    where distance_m <= {{ var('twin_distance_m') }}
),

-- In each language a Korean record has at most one twin: each record is the nearest to the other.
twins as (
    select
        language_code,
        content_id,
        content_id_ko
    from ranked_pairs
    where
        korean_rank = 1
        and foreign_rank = 1
),

matched as (
    select
        records.language_code,
        records.content_id,
        case
            when records.language_code = 'ko' then 'ko-' || records.content_id
            when twins.content_id_ko is not null then 'ko-' || twins.content_id_ko
            else records.language_code || '-' || records.content_id
        end as place_id,
        records.kind,
        records.subject,
        case when records.language_code = 'en' then records.own_title end as title_en,
        records.title_ko,
        case when records.language_code = 'ja' then records.own_title end as title_ja,
        case when records.language_code = 'zh' then records.own_title end as title_zh,
        twins.content_id_ko is null as is_leading
    from records
    left join twins
        on
            records.language_code = twins.language_code
            and records.content_id = twins.content_id
)

select * from matched
