{#- Dist: a few thousand pairs, copied to every node. Sort: the key of the next join. -#}
{{ config(dist='all', sort=['language_code', 'content_id']) }}

with

records as (
    select * from {{ ref('int_tour_records_keyed') }}
),

-- A record is known by its name and by its plain name.
keys as (
    select
        language_code,
        content_id,
        subject,
        kind_group,
        name_key as key,
        is_listed
    from records
    where name_key is not null
    union distinct
    select
        language_code,
        content_id,
        subject,
        kind_group,
        plain_name_key as key,
        is_listed
    from records
    where plain_name_key is not null
),

-- Records with one name. Those that the source removed do not make a name ambiguous.
name_counts as (
    select
        language_code,
        subject,
        kind_group,
        key,
        sum(case when is_listed then 1 else 0 end) as records_with_name
    from keys
    group by language_code, subject, kind_group, key
),

-- '올리브영' is a chain if there are an '올리브영 명동점' and an '올리브영 강남점'.
chains as (
    select
        names.kind_group,
        names.plain_name_key as key
    from records as names
    inner join records as branches
        on
            names.kind_group = branches.kind_group
            and branches.name_key like names.plain_name_key || '%점'
            and names.plain_name_key <> branches.name_key
    where
        names.kind_group in ('food', 'shopping', 'lodging')
        and length(names.plain_name_key) >= 2
    group by names.kind_group, names.plain_name_key
    having count(distinct branches.name_key) >= 2
),

pairs as (
    select
        foreign_keys.language_code,
        foreign_keys.content_id,
        korean_keys.content_id as content_id_ko,
        foreign_keys.kind_group = korean_keys.kind_group as is_same_kind,
        max(
            case
                when
                    foreign_keys.kind_group = korean_keys.kind_group
                    and foreign_counts.records_with_name <= 1
                    and korean_counts.records_with_name <= 1
                    and chains.key is null
                    and length(foreign_keys.key) >= 2
                    and foreign_keys.key not in ({{ common_names() }})
                    then 1
                else 0
            end
        ) = 1 as is_only_one
    from keys as foreign_keys
    inner join keys as korean_keys
        on
            foreign_keys.key = korean_keys.key
            and foreign_keys.subject = korean_keys.subject
            and korean_keys.language_code = 'ko'
    inner join name_counts as foreign_counts
        on
            foreign_keys.language_code = foreign_counts.language_code
            and foreign_keys.subject = foreign_counts.subject
            and foreign_keys.kind_group = foreign_counts.kind_group
            and foreign_keys.key = foreign_counts.key
    inner join name_counts as korean_counts
        on
            korean_keys.language_code = korean_counts.language_code
            and korean_keys.subject = korean_counts.subject
            and korean_keys.kind_group = korean_counts.kind_group
            and korean_keys.key = korean_counts.key
    left join chains
        on
            foreign_keys.key = chains.key
            and foreign_keys.kind_group = chains.kind_group
    where
        foreign_keys.language_code <> 'ko'
        -- A market may be listed as a sight in one language.
        and (
            foreign_keys.kind_group = korean_keys.kind_group
            or (
                foreign_keys.kind_group in ('shopping', 'site')
                and korean_keys.kind_group in ('shopping', 'site')
            )
        )
    group by
        foreign_keys.language_code,
        foreign_keys.content_id,
        korean_keys.content_id,
        foreign_keys.kind_group = korean_keys.kind_group
)

select * from pairs
