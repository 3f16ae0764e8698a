{#- The CTE `price_amounts` and the CTEs that it needs: the numbers among `price_tokens`, each with its
    value in won and whether it is an amount of money. '9만 5천원' is one number, and the 6 in '6~8만원'
    shares the unit of the 8. -#}
{% macro price_amount_ctes() -%}
    {#- What numbers without 원 count: '3,000명' and '2만 명' are people, while '3,000 일반' is a price. -#}
    {%- set counted = ' ?(명|%)|인|석|매|부|권|개|회|여|년|월|일|시|분|세|층|평|자|보|점|m|k|g|p' %}
-- '9만5천원': the number after 만 belongs to the one before it. '만 7세' is an age.
read_units as (
    select
        price_text,
        token_position,
        cleaned_text,
        text_before,
        number_text,
        text_after,
        {{ regexp_extract('text_after', '^ ?만 ?[0-9][0-9,]* ?천') }} as thousands_of_unit,
        {{ regexp_extract('text_after', '^ ?만 ?[0-9][0-9,]* ?원') }} as won_of_unit,
        {{ regexp_extract('text_after', '^ ?만 ?(원|[0-9]|천|~|-|[),/.;:+|*]|$)') }} as ten_thousand,
        {{ regexp_extract('text_after', '^ ?천 ?(원|~|-|[),/.;:+|*]|$)') }} as thousand,
        {{ regexp_extract('text_after', '^ ?만 ?[0-9]+ ?(세|살|개월)') }} as age,
        lead(token_position) over (
            partition by price_text order by token_position
        ) - token_position - length(number_text) as characters_to_next
    from price_tokens
    where
        number_text is not null
        and (
            {{ regexp_extract('text_before', '[0-9] ?만 ?$') }} is null
            or {{ regexp_extract('text_after', '^ ?(천|원)') }} is null
        )
),

multiplied as (
    select
        *,
        case
            when ltrim(text_after) like '만원%' and length(number_text) <= 7 then 10000
            when length(number_text) > 4 or age is not null then 1
            when ten_thousand is not null then 10000
            when thousand is not null then 1000
            else 1
        end as unit,
        left(text_after, cast(characters_to_next as integer)) as text_to_next
    from read_units
),

-- What follows the unit.
followed as (
    select
        *,
        case
            when unit = 1 then text_after
            when thousands_of_unit is not null
                then substring(text_after, length(thousands_of_unit) + 1)
            when won_of_unit is not null then substring(text_after, length(won_of_unit))
            else substring(ltrim(text_after), 2)
        end as text_after_unit,
        -- '6~8만원' and 'R 7/S 5/A 2만원': numbers that share the unit of the last one.
        coalesce(
            {{ regexp_extract('text_to_next', '^ ?(~|-) ?$') }} is not null
            or (
                {{ regexp_extract('text_before', '[A-Z](석)? ?$') }} is not null
                and {{ regexp_extract('text_to_next', '^ ?[/,] ?[A-Z]+(석)? ?$') }} is not null
            ),
            false
        ) as is_linked_to_next
    from multiplied
),

valued as (
    select
        *,
        {{ regexp_extract('text_after_unit', '^ ?(원|won|KRW)') }} is not null as has_won,
        {{ regexp_extract('text_after_unit', '^(' ~ counted ~ ')') }} is not null as is_counted,
        case
            when {{ regexp_extract('number_text', '^[0-9]+([.][0-9]+)?$') }} is not null
                and unit > 1 then cast(number_text as numeric(18, 4))
            when {{ regexp_extract('number_text', '^[0-9]{1,3}([.][0-9]{3})+$') }} is not null
                then cast(replace(number_text, '.', '') as numeric(18, 4))
            when {{ regexp_extract('number_text', '^[0-9,]{1,12}$') }} is not null
                then cast(replace(number_text, ',', '') as numeric(18, 4))
        end as number_value,
        case
            when thousands_of_unit is not null then 1000
            when won_of_unit is not null then 1
        end * cast(
            {{
                regexp_extract(
                    "split_part("
                    ~ "replace(coalesce(thousands_of_unit, won_of_unit), ',', ''), '만', 2)",
                    '[0-9]+'
                )
            }} as numeric(18, 4)
        ) as added_value,
        sum(case when is_linked_to_next then 0 else 1 end) over (
            partition by price_text
            order by token_position
            rows between unbounded preceding and current row
        ) - case when is_linked_to_next then 0 else 1 end as chain
    from followed
),

-- An amount names its unit, or has the commas or the zeros of one: '전석 30,000', '전석 30000'.
judged as (
    select
        *,
        has_won
        or (unit > 1 and not is_counted)
        or (
            not is_counted
            and {{ regexp_extract('number_text', '^[1-9][0-9]{0,2}(,[0-9]{3})+$') }} is not null
        )
        or (
            not is_counted
            and {{ regexp_extract('number_text', '^[1-9][0-9]{1,4}00$') }} is not null
            and not (length(number_text) = 4 and left(number_text, 2) in ('19', '20'))
            and {{ regexp_extract('text_before', '[0-9A-Za-z.:-]$') }} is null
            and {{ regexp_extract("text_after || ' '", '^[ ),/|]') }} is not null
        )
        or cleaned_text = '0' as is_amount
    from valued
),

price_amounts as (
    select
        price_text,
        token_position,
        text_before,
        substring(
            text_after_unit,
            1 + coalesce(
                length(
                    {{ regexp_extract('text_after_unit', '^ ?(원|won|KRW)?(권|씩|정)? ?') }}
                ),
                0
            )
        ) as text_after,
        cast(
            number_value * case
                when unit = 1 and length(number_text) <= 3
                    then max(unit) over (partition by price_text, chain)
                else unit
            end
            + case when unit = 10000 then coalesce(added_value, 0) else 0 end
            as numeric(12, 0)
        ) as price_krw,
        max(case when is_amount then 1 else 0 end) over (
            partition by price_text, chain
        ) = 1 as is_amount
    from judged
)
{%- endmacro %}
