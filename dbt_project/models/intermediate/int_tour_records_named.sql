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

classified as (
    select
        records.*,
        coalesce(content_types.kind, 'other') as kind,
        case
            when content_types.kind in ('lodging', 'festival') then content_types.kind
            else 'place'
        end as subject,
        replace(replace(records.title, '（', '('), '）', ')') as unified_title
    from records
    left join content_types on records.content_type_id = content_types.content_type_id
),

-- A title may end with a label: 'Sohwadang [Korea Quality] / 소화당 [한국관광 품질인증]'.
with_label as (
    select
        *,
        coalesce({{ regexp_extract('unified_title', ' *[[][^]]*[]] *$') }}, '') as label
    from classified
),

-- 'Cheonggyecheon Stream (청계천)': the Korean name is the last part in parentheses, which may itself
-- contain parentheses, or what follows the last slash.
with_last_part as (
    select
        *,
        left(unified_title, length(unified_title) - length(label)) as unlabelled_title,
        coalesce(
            {{
                regexp_extract(
                    'left(unified_title, length(unified_title) - length(label))',
                    '[(]([^()]|[(]([^()]|[(][^()]*[)])*[)])*[)]$'
                )
            }},
            {{
                regexp_extract(
                    'left(unified_title, length(unified_title) - length(label))', ' / [^/]+$'
                )
            }}
        ) as last_part
    from with_label
),

-- The part is a Korean name if its first non-ASCII letter is Korean. Punctuation is not a letter:
-- '(4·19혁명기념도서관)'.
with_korean_part as (
    select
        *,
        case
            when
                language_code <> 'ko'
                and left(
                    {{
                        regexp_extract(
                            "translate(last_part, '·ㆍ・•‧∙–—―‘’“”「」『』《》〈〉【】［］＆～…※', '')", '[^ -~]+'
                        )
                    }},
                    1
                ) between '가' and '힣'
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
            else
                trim(left(title, length(unlabelled_title) - length(korean_part)))
                || case when korean_part like '(%' then rtrim(label) else '' end
        end as own_title,
        case
            when language_code = 'ko' then title
            when korean_part like '(%' then trim(substring(korean_part, 2, length(korean_part) - 2))
            else trim(substring(korean_part, 4))
        end as title_ko,
        longitude,
        latitude,
        is_listed
    from with_korean_part
)

select * from named
