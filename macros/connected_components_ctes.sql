{#- The CTE `leaders` (member, leader) and the CTEs that it needs. Members that are linked directly
    or through others have the same leader, the first of them. The CTE `links` has each pair in both
    directions (member, neighbour). Each round follows one more link. Real groups have at most three
    members. -#}
{% macro connected_components_ctes(rounds=6) -%}
round_0 as (
    select
        member,
        least(member, min(neighbour)) as leader
    from links
    group by member
),
{% for number in range(1, rounds + 1) %}
{{ 'leaders' if loop.last else 'round_' ~ number }} as (
    select
        links.member,
        min(nearer.leader) as leader
    from links
    inner join round_{{ number - 1 }} as nearer on links.neighbour = nearer.member
    group by links.member
){{ ',' if not loop.last }}
{% endfor %}
{%- endmacro %}
