{#- Dist: a few thousand rows, copied to every node for joins by record.
    Sort: the key of those joins. -#}
{{ config(dist='all', sort=['language_code', 'content_id']) }}

with

records as (
    select * from {{ ref('int_tour_records_named') }}
),

pairs as (
    select * from {{ ref('int_tour_twin_pairs') }}
),

-- A record that is still listed comes before one that the source removed, which it may replace.
ranked_pairs as (
    select
        *,
        row_number() over (
            partition by language_code, content_id
            order by
                case when is_korean_listed then 0 else 1 end asc,
                name_rank asc,
                address_rank asc,
                distance_m asc nulls last,
                content_id_ko asc
        ) as korean_rank,
        row_number() over (
            partition by language_code, content_id_ko
            order by
                case when is_foreign_listed then 0 else 1 end asc,
                name_rank asc,
                address_rank asc,
                distance_m asc nulls last,
                content_id asc
        ) as foreign_rank
    from pairs
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
