{#- The coda of a syllable and the onset of the next in Latin script. `codas` are
    the rows of the seed. -#}
{% macro hangul_join(syllables, codas) -%}
    {%- set coda, onset = syllables ~ '.coda', syllables ~ '.next_onset' -%}
    {%- set vowel = syllables ~ '.next_vowel' -%}
    {%- set letter, next_letter = syllables ~ '.letter', syllables ~ '.next_letter' -%}
    {%- set by_letters -%}
        nullif(split_part({{ codas }}.before_onsets, ' ', {{ onset }} + 1), '-')
    {%- endset -%}
    case
        when coalesce({{ coda }}, 0) = 0 then ''
        when {{ onset }} = -1 then {{ codas }}.at_end
        -- ㄷ and ㅌ before 이 and 여, ㄷ before 히 and 혀: 해돋이 haedoji, 같이 gachi, 닫힌 dachin.
        when {{ coda }} = 7 and {{ onset }} = 11 and {{ vowel }} = 20 then 'j'
        when {{ coda }} in (7, 25) and {{ onset }} = 11 and {{ vowel }} in (6, 20) then 'ch'
        when {{ coda }} = 13 and {{ onset }} = 11 and {{ vowel }} = 20 then 'lch'
        when
            {{ onset }} = 18 and {{ next_letter }} in ('히', '힌', '힐', '힘', '혀', '혔')
            then
                -- Verbs only: names keep their ㅎ, as in 묵호 Mukho and 집현전 Jiphyeonjeon.
                case
                    when {{ coda }} in (1, 2, 24) then 'k'
                    when {{ coda }} = 9 then 'lk'
                    when {{ coda }} in (7, 22) then 'ch'
                    when {{ coda }} = 5 then 'nch'
                    when {{ coda }} = 11 then 'lp'
                    when {{ coda }} = 17 then 'p'
                    else coalesce({{ by_letters }}, '')
                end
        -- Stems in ㄺ keep ㄹ before ㄱ: 읽기 ilgi, but 닭갈비 dakgalbi.
        when
            {{ coda }} = 9
            and {{ onset }} = 0
            and {{ letter }} in ('읽', '맑', '밝', '늙', '긁', '묽', '굵', '붉', '얽', '갉')
            then 'lg'
        -- ㄴ stays before an ending that is joined to a word: 신문로 Sinmunno, but 신라 Silla.
        when
            {{ coda }} = 4
            and {{ onset }} = 5
            and {{ syllables }}.previous_code is not null
            and {{ next_letter }} in ('란', '량', '력', '론', '료', '류', '례', '로')
            and {{ letter }} || {{ next_letter }} not in {{ words_with_double_l() }}
            then 'nn'
        else coalesce({{ by_letters }}, '')
    end
{%- endmacro %}
