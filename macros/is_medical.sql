{#- Whether a TourAPI record is a clinic. All of medical tourism (EX050800) is. Shops with a tax refund
    (SH04) and other wellness places (EX05) are if their name says so: '밴스의원', '오라클피부과 명동점'.
    Korean law prescribes the last word of such a name. In other categories the words also name sights:
    '서울 구 대한의원' is a monument. -#}
{% macro is_medical(category_code, group_code, content_type_id, title) -%}
    {%- set departments = '치과|피부과|성형외과|정형외과|이비인후과|산부인과|한의원' -%}
    {%- set last_words = '(의원|병원|안과|클리닉|메디컬센터|의료원|보건소)[ ()/,0-9]' -%}
    {%- set foreign = '(clinic|hospital|dental|dentistry|dermatology|plastic surgery|medical center)' -%}
    {%- set cjk = '(整形外科|皮膚科|皮肤科|歯科|齿科|牙科|眼科|医院|病院|诊所|醫院|韓医院|韩医院|クリニック)' -%}
    (
        coalesce({{ category_code }}, '') = 'EX050800'
        or (
            (
                coalesce({{ group_code }}, '') in ('SH04', 'EX05')
                or coalesce({{ content_type_id }}, '') in ('38', '79')
            )
            and coalesce(
                {{ regexp_extract(title ~ " || ' '", departments ~ '|' ~ last_words) }},
                {{ regexp_extract("' ' || lower(" ~ title ~ ") || ' '", '[ (]' ~ foreign ~ 's?[ ),]') }},
                {{ regexp_extract(title, cjk) }}
            ) is not null
        )
    )
{%- endmacro %}
