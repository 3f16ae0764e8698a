{#- The CTE `leaders` (member, leader) and those it is made of: whoever is linked, directly or by
    others between, has the same leader, the first of them all. The CTE `links` has each pair both
    ways (member, neighbour). Each round looks one link further; real groups are three wide. -#}
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
