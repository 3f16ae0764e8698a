{#- The CTE `romanized`, with `name_ko` of the CTE `names` and `name_romanized`, by the Revised
    Romanization of Korean. It reads the CTEs `onsets`, `vowels`, `codas`, `words` and `numbers`. -#}
{% macro romanized_ctes() -%}
-- Where a word is pronounced otherwise than written: its first place in a name.
found_words as (
    select
        names.name_ko,
        words.pronounced,
        strpos(names.name_ko, words.word) as first_place
    from names
    inner join words on strpos(names.name_ko, words.word) > 0
),

respelled as (
    select
        found_words.name_ko,
        numbers.generated_number as place,
        max(
            substring(
                found_words.pronounced,
                cast(numbers.generated_number - found_words.first_place + 1 as integer),
                1
            )
        ) as letter
    from found_words
    inner join numbers
        on
            numbers.generated_number >= found_words.first_place
            and numbers.generated_number < found_words.first_place + length(found_words.pronounced)
    group by found_words.name_ko, numbers.generated_number
),

characters as (
    select
        names.name_ko,
        numbers.generated_number as place,
        coalesce(
            respelled.letter,
            substring(names.name_ko, cast(numbers.generated_number as integer), 1)
        ) as letter
    from names
    inner join numbers on numbers.generated_number <= length(names.name_ko)
    left join respelled
        on names.name_ko = respelled.name_ko and numbers.generated_number = respelled.place
),

-- A syllable is 44032 + 588 * onset + 28 * vowel + coda. Other characters have no code.
coded as (
    select
        *,
        case when letter >= '가' and letter <= '힣' then ascii(letter) - 44032 end as code
    from characters
),

neighbours as (
    select
        *,
        {%- for name, shift in [('previous', 'lag'), ('next', 'lead')] %}
            {{ shift }}(letter) over (partition by name_ko order by place) as {{ name }}_letter,
            {{ shift }}(code) over (partition by name_ko order by place) as {{ name }}_code,
        {%- endfor %}
        lag(code, 2) over (partition by name_ko order by place) as code_before_previous,
        lead(letter, 2) over (partition by name_ko order by place) as letter_after_next
    from coded
),

-- Sounds that depend on more than two letters.
sounded as (
    select
        *,
        cast(floor(code / 588.0) as integer) as onset,
        cast(floor((code % 588) / 28.0) as integer) as vowel,
        -- 밟 sounds like 밥 before a consonant.
        case when letter = '밟' and floor(next_code / 588.0) <> 11 then 17 else code % 28 end
            as coda,
        previous_code % 28 as previous_coda,
        case
            when next_code is null then -1
            -- ㄴ is added before 여행, 열차, 잎 and a station.
            when
                next_letter || coalesce(letter_after_next, '') in ('여행', '열차')
                or next_letter = '잎'
                or (
                    next_letter = '역'
                    and previous_code is not null
                    and coalesce(letter_after_next, ' ') not between '가' and '힣'
                    and letter || '역' not in {{ words_like_a_station() }}
                )
                then 2
            else cast(floor(next_code / 588.0) as integer)
        end as next_onset,
        cast(floor((next_code % 588) / 28.0) as integer) as next_vowel
    from neighbours
),

joined as (
    select
        sounded.*,
        case
            when sounded.previous_coda > 0 then ''
            else coalesce(onsets.romanized, '')
        end || vowels.romanized as opening,
        {{ hangul_join('sounded', 'codas') }} as closing
    from sounded
    left join onsets on sounded.onset = onsets.letter_number
    left join vowels on sounded.vowel = vowels.letter_number
    left join codas on sounded.coda = codas.coda
),

-- A word begins with a capital, except after a digit or a Latin letter.
written as (
    select
        name_ko,
        place,
        case
            when code is null then letter
            when
                previous_code is null
                and (
                    previous_letter is null
                    or not (
                        previous_letter between '0' and '9'
                        or lower(previous_letter) <> upper(previous_letter)
                    )
                )
                then upper(left(opening, 1)) || substring(opening, 2) || closing
            else opening || closing
        end as romanized
    from joined
),

romanized as (
    select
        name_ko,
        cast({{ dbt.listagg('romanized', "''", 'order by place') }} as varchar(4000))
            as name_romanized
    from written
    group by name_ko
)
{%- endmacro %}
