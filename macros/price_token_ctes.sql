{#- The CTE `price_tokens` and the CTEs that it needs: the numbers and the words of free admission in
    the texts (price_text) of the CTE `texts`, each with the text before and after it. The CTE
    `positions` has the numbers of the characters that are read (generated_number). -#}
{% macro price_token_ctes() -%}
-- One sign for each meaning: '3.,000' and '3, 000' are 3,000, and '회원' does not end with won.
cleaned as (
    select
        price_text,
        replace(
            replace(
                replace(
                    replace(
                        translate(
                            price_text, '～∼〜–—−ㅡ｜ㅣ／，：（）［］[]', '~~~----||/,:()()()'
                        ),
                        '.,', ','
                    ),
                    ', 000', ',000'
                ),
                '  ', ' '
            ),
            '회원', '멤버'
        ) as cleaned_text
    from texts
),

starts as (
    select
        cleaned.price_text,
        cast(positions.generated_number as integer) as token_position,
        left(cleaned.cleaned_text, cast(positions.generated_number - 1 as integer)) as text_before,
        substring(cleaned.cleaned_text, cast(positions.generated_number as integer)) as tail,
        trim(cleaned.cleaned_text) as cleaned_text
    from cleaned
    inner join positions on length(cleaned.cleaned_text) >= positions.generated_number
),

-- '참가비 없음' is free as well. A number begins with a digit that continues no other number: the
-- first comma of 'A,30,000' separates.
numbers_and_words as (
    select
        price_text,
        token_position,
        text_before,
        cleaned_text,
        case
            when left(tail, 1) between '0' and '9'
                then {{ regexp_extract('tail', '^[0-9]+([,.][0-9]+)*') }}
        end as number_text,
        tail
    from starts
    where
        left(tail, 2) = '무료'
        or (
            left(tail, 2) = '없음'
            and {{
                regexp_extract("' ' || text_before", '(^ |료|비|비용|요금|가격) ?(:|는|은)? ?$')
            }} is not null
        )
        or (
            left(tail, 1) between '0' and '9'
            and {{ regexp_extract('text_before', '[0-9][,.]?$') }} is null
        )
),

price_tokens as (
    select
        price_text,
        token_position,
        cleaned_text,
        text_before,
        number_text,
        case
            when number_text is null then substring(tail, 3)
            else substring(tail, length(number_text) + 1)
        end as text_after
    from numbers_and_words
)
{%- endmacro %}
