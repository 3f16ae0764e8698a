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

-- 'Cheonggyecheon Stream (청계천)': the Korean name is the last part in parentheses and may itself
-- contain parentheses. Japanese and Chinese titles often have full-width parentheses.
with_last_part as (
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

-- The part is a Korean name if its first non-ASCII letter is Korean.
with_korean_part as (
    select
        *,
        case
            when
                language_code <> 'ko'
                and left({{ regexp_extract('last_part', '[^ -~]+') }}, 1) between '가' and '힣'
                then last_part
        end as korean_part
    from with_last_part
),

named as (
    select
        language_code,
        content_id,
        kind,
        subject,
        case
            when korean_part is null then title
            else trim(left(title, length(title) - length(korean_part)))
        end as own_title,
        case
            when language_code = 'ko' then title
            else trim(substring(korean_part, 2, length(korean_part) - 2))
        end as title_ko,
        longitude,
        latitude,
        is_listed
    from with_korean_part
)

select * from named
