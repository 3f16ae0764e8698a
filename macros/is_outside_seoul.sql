{#- Whether an address names a province or a city other than Seoul: '경기 과천시 막계동', '과천시 대공원광장로',
    'Gwacheon-si, Gyeonggi-do'. '세종대로' and '여의도' begin like others but are in Seoul. -#}
{% macro is_outside_seoul(address) -%}
    {%- set provinces = [
        '(부산|대구|인천|광주|대전|울산)(광역시|시)?',
        '세종(특별자치시|시)?',
        '(경기|강원|제주)(특별자치도|도)?',
        '(충청|전라|경상)(북|남)도',
        '전북특별자치도',
        '(충|전|경)(북|남)',
    ] -%}
    (
        ltrim({{ address }}) not like '서울%'
        and lower({{ address }}) not like '%seoul%'
        and coalesce(
            {{ regexp_extract("ltrim(" ~ address ~ ") || ' '", '^(' ~ provinces | join('|') ~ ') ') }},
            {{ regexp_extract("ltrim(" ~ address ~ ") || ' '", '^[^ ]+(시|군) ') }},
            {{ regexp_extract("lower(" ~ address ~ ") || ' '", '[a-z]-(do|si)[ ,]') }}
        ) is not null
    )
{%- endmacro %}
