{#- Dist: a few thousand rows that lodgings join. Sort: the key they join on. -#}
{{ config(dist='all', sort=['source', 'record_id']) }}

with

keyed as (
    select * from {{ ref('int_lodging_records_keyed') }}
),

links as (
    select * from {{ ref('int_lodging_pairs') }}
),

{{ connected_components_ctes() }},

assigned as (
    select
        keyed.source,
        keyed.record_id,
        keyed.member,
        keyed.lodging_id as own_id,
        coalesce(substring(leaders.leader, 2), keyed.lodging_id) as lodging_id
    from keyed
    left join leaders on keyed.member = leaders.member
),

others as (
    select
        lodging_id,
        {{ dbt.listagg('own_id', "', '", 'order by member') }} as also_in
    from assigned
    where own_id <> lodging_id
    group by lodging_id
),

matched as (
    select
        assigned.source,
        assigned.record_id,
        assigned.lodging_id,
        row_number() over (
            partition by assigned.lodging_id, assigned.source
            order by assigned.member
        ) = 1 as is_first,
        others.also_in
    from assigned
    left join others on assigned.lodging_id = others.lodging_id
)

select * from matched
