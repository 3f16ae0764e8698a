{#- Dist: a few thousand rows, copied to every node for joins by name. Sort: the language, by which
    they are joined. -#}
{{ config(dist='all', sort=['language_code', 'content_id']) }}

with

named as (
    select * from {{ ref('int_tour_records_named') }}
),

records as (
    select * from {{ ref('stg_tour__records') }}
),

record_districts as (
    select * from {{ ref('int_records_assigned_to_districts') }}
),

-- Labels in square brackets, [유네스코 세계유산], are not part of a name. Neither is the edition of a
-- festival.
described as (
    select
        named.language_code,
        named.content_id,
        named.subject,
        case
            when named.kind in ('food', 'shopping', 'lodging', 'festival', 'course') then named.kind
            else 'site'
        end as kind_group,
        {{ regexp_remove('named.title_ko', '[[][^]]*[]]') }} as unlabelled_title,
        case
            when named.subject = 'festival'
                then
                    {{
                        regexp_remove(
                            'named.title_ko',
                            '[[][^]]*[]]|(제 ?)?[0-9]+ ?회|20[0-9][0-9] ?(년도|년)?'
                        )
                    }}
            else {{ regexp_remove('named.title_ko', '[[][^]]*[]]') }}
        end as undated_title,
        named.title_ko,
        records.group_code,
        {{ house_number('records.address') }} as house_number,
        case when length(records.zip_code) = 5 then records.zip_code end as zip_code,
        case
            when record_districts.district_source in ('code', 'address')
                then record_districts.district_id
        end as district_id,
        named.longitude,
        named.latitude,
        named.is_listed
    from named
    inner join records
        on
            named.language_code = records.language_code
            and named.content_id = records.content_id
    left join record_districts
        on
            'tour_' || named.language_code = record_districts.source
            and named.content_id = record_districts.record_id
),

keyed as (
    select
        language_code,
        content_id,
        subject,
        kind_group,
        coalesce({{ name_key('unlabelled_title') }}, {{ name_key('title_ko') }}) as name_key,
        coalesce({{ plain_name_key('undated_title') }}, {{ name_key('title_ko') }})
            as plain_name_key,
        title_ko like '%(%' as has_brackets,
        -- Markets, and streets listed as experiences, are large.
        kind_group in ('food', 'lodging')
        or (
            kind_group = 'shopping'
            and coalesce(group_code, '') <> 'SH06'
            and coalesce(title_ko, '') not like '%시장%'
        )
        or (coalesce(group_code, '') like 'EX%' and group_code <> 'EX07') as is_small,
        house_number,
        zip_code,
        district_id,
        longitude,
        latitude,
        is_listed
    from described
)

select * from keyed
