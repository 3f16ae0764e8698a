{#- Words in which ㄴ before ㄹ is pronounced ㄹ although the second syllable is one that keeps ㄴ in
    longer words, as in 판단력 (article 20). -#}
{% macro words_with_double_l() -%}
    (
        '혼란', '곤란', '반란', '산란', '찬란', '문란', '한량', '권력', '인력', '전력', '근력', '완력',
        '언론', '본론', '원론', '진료', '연료', '원료', '전료', '인류', '한류', '난류', '전류', '분류',
        '본류', '전례', '관례', '판례', '연례', '선례', '순례', '진로', '선로', '원로', '난로', '산로',
        '분량', '열량', '온량', '천로', '환류', '논란'
    )
{%- endmacro %}

{#- Words of two syllables that end like a station, 역, but are none. -#}
{% macro words_like_a_station() -%}
    (
        '번역', '권역', '면역', '전역', '통역', '용역', '병역', '방역', '광역', '영역', '음역', '성역',
        '악역', '단역', '공역', '중역', '현역', '반역', '징역', '직역', '완역', '친역', '원역', '근역'
    )
{%- endmacro %}
