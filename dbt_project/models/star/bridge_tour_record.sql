{#- Dist: a few thousand rows, copied to every node for joins by record.
    Sort: the key of those joins. -#}
{{ config(dist='all', sort=['language_code', 'content_id']) }}

with

records as (
    select * from {{ ref('stg_tour__records') }}
    -- Further languages wait for columns of their own in int_tour__places.
    where language_code in ('en', 'ko')
),

content_types as (
    select * from {{ ref('content_types') }}
),

-- 'Cheonggyecheon Stream (청계천)': the Korean name is the last thing in parentheses, and may hold
-- parentheses itself. Anything that is not ASCII counts as Korean.
parted as (
    select
        records.*,
        coalesce(content_types.kind, 'other') as kind,
        case
            when content_types.kind in ('lodging', 'festival') then content_types.kind
            else 'place'
        end as subject,
        {{ nth_match('records.title', '[(][^()]*[^ -~].*[)]$') }} as korean_part
    from records
    left join content_types on records.content_type_id = content_types.content_type_id
),

english as (
    select
        content_id,
        subject,
        longitude,
        latitude,
        trim(left(title, length(title) - length(korean_part))) as title_en,
        trim(substring(korean_part, 2, length(korean_part) - 2)) as title_ko
    from parted
    where
        language_code = 'en'
        and korean_part is not null
),

korean as (
    select
        content_id,
        subject,
        longitude,
        latitude,
        title as title_ko
    from parted
    where language_code = 'ko'
),

pairs as (
    select
        english.content_id as content_id_en,
        korean.content_id as content_id_ko,
        {{
            distance_m(
                'english.longitude', 'english.latitude', 'korean.longitude', 'korean.latitude'
            )
        }} as distance_m
    from english
    inner join korean
        on
            replace(english.title_ko, ' ', '') = replace(korean.title_ko, ' ', '')
            and english.subject = korean.subject
),

ranked_pairs as (
    select
        *,
        row_number() over (
            partition by content_id_en order by distance_m, content_id_ko
        ) as korean_rank,
        row_number() over (
            partition by content_id_ko order by distance_m, content_id_en
        ) as english_rank
    from pairs
    where distance_m <= {{ var('twin_distance_m') }}
),

-- One to one: each is the other's nearest.
twins as (
    select
        content_id_en,
        content_id_ko
    from ranked_pairs
    where
        korean_rank = 1
        and english_rank = 1
),

bridged as (
    select
        parted.language_code,
        parted.content_id,
        case
            when parted.language_code = 'ko' then 'ko-' || parted.content_id
            when twins.content_id_ko is not null then 'ko-' || twins.content_id_ko
            else 'en-' || parted.content_id
        end as place_id,
        parted.kind,
        parted.subject,
        case
            when parted.language_code = 'en' then coalesce(english.title_en, parted.title)
        end as title_en,
        case
            when parted.language_code = 'en' then english.title_ko
            else parted.title
        end as title_ko,
        twins.content_id_ko is null as is_leading
    from parted
    left join twins
        on
            parted.content_id = twins.content_id_en
            and parted.language_code = 'en'
    left join english
        on
            parted.content_id = english.content_id
            and parted.language_code = 'en'
)

select * from bridged
