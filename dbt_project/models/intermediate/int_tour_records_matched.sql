{#- Dist: a few thousand rows, copied to every node for joins by record.
    Sort: the key of those joins. -#}
{{ config(dist='all', sort=['language_code', 'content_id']) }}

with

records as (
    select * from {{ ref('stg_tour__records') }}
),

content_types as (
    select * from {{ ref('content_types') }}
),

-- 'Cheonggyecheon Stream (청계천)': the Korean name is the last thing in parentheses, and may hold
-- parentheses itself. Japanese and Chinese titles often have full-width ones.
parted as (
    select
        records.*,
        coalesce(content_types.kind, 'other') as kind,
        case
            when content_types.kind in ('lodging', 'festival') then content_types.kind
            else 'place'
        end as subject,
        {{
            regexp_extract(
                "replace(replace(records.title, '（', '('), '）', ')')",
                '[(]([^()]|[(][^()]*[)])*[)]$'
            )
        }} as last_part
    from records
    left join content_types on records.content_type_id = content_types.content_type_id
),

-- It is a Korean name when the first of its letters that is not ASCII is a Korean one.
named as (
    select
        *,
        case
            when
                left({{ regexp_extract('last_part', '[^ -~]+') }}, 1) between '가' and '힣'
                then last_part
        end as korean_part
    from parted
),

foreign_records as (
    select
        language_code,
        content_id,
        subject,
        longitude,
        latitude,
        is_listed,
        trim(left(title, length(title) - length(korean_part))) as own_title,
        trim(substring(korean_part, 2, length(korean_part) - 2)) as title_ko
    from named
    where
        language_code <> 'ko'
        and korean_part is not null
),

korean as (
    select
        content_id,
        subject,
        longitude,
        latitude,
        is_listed,
        title as title_ko
    from named
    where language_code = 'ko'
),

pairs as (
    select
        foreign_records.language_code,
        foreign_records.content_id,
        korean.content_id as content_id_ko,
        case when foreign_records.is_listed then 0 else 1 end as foreign_is_out,
        case when korean.is_listed then 0 else 1 end as korean_is_out,
        {{
            haversine_distance_m(
                'foreign_records.longitude',
                'foreign_records.latitude',
                'korean.longitude',
                'korean.latitude'
            )
        }} as distance_m
    from foreign_records
    inner join korean
        on
            replace(foreign_records.title_ko, ' ', '') = replace(korean.title_ko, ' ', '')
            and foreign_records.subject = korean.subject
),

-- A record that was taken out is a twin only where no other is: one that replaces it comes first.
ranked_pairs as (
    select
        *,
        row_number() over (
            partition by language_code, content_id
            order by korean_is_out, distance_m, content_id_ko
        ) as korean_rank,
        row_number() over (
            partition by language_code, content_id_ko
            order by foreign_is_out, distance_m, content_id
        ) as foreign_rank
    from pairs
    where distance_m <= {{ var('twin_distance_m') }}
),

-- One to one in each language: each is the other's nearest.
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
        named.language_code,
        named.content_id,
        case
            when named.language_code = 'ko' then 'ko-' || named.content_id
            when twins.content_id_ko is not null then 'ko-' || twins.content_id_ko
            else named.language_code || '-' || named.content_id
        end as place_id,
        named.kind,
        named.subject,
        case
            when named.language_code = 'en' then coalesce(foreign_records.own_title, named.title)
        end as title_en,
        case
            when named.language_code = 'ko' then named.title
            else foreign_records.title_ko
        end as title_ko,
        case
            when named.language_code = 'ja' then coalesce(foreign_records.own_title, named.title)
        end as title_ja,
        case
            when named.language_code = 'zh' then coalesce(foreign_records.own_title, named.title)
        end as title_zh,
        twins.content_id_ko is null as is_leading
    from named
    left join foreign_records
        on
            named.language_code = foreign_records.language_code
            and named.content_id = foreign_records.content_id
    left join twins
        on
            named.language_code = twins.language_code
            and named.content_id = twins.content_id
)

select * from matched
