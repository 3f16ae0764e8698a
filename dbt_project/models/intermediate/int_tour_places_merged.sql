{#- Dist: a few thousand rows, copied to every node. Sort: the key that the next models join on. -#}
{{ config(dist='all', sort='place_id') }}

with

matches as (
    select * from {{ ref('int_tour_records_matched') }}
),

records as (
    select * from {{ ref('stg_tour__records') }}
),

details as (
    select * from {{ ref('stg_tour__place_details') }}
),

record_districts as (
    select * from {{ ref('int_records_assigned_to_districts') }}
),

categories as (
    select * from {{ ref('stg_tour__categories') }}
),

-- A row of the list names a category of each of the three levels.
category_levels as (
    select category_code as category_id from categories
    union all
    select group_code as category_id from categories
    union all
    select class_code as category_id from categories
),

known_categories as (
    select distinct category_id
    from category_levels
),

matched as (
    select
        records.*,
        matches.place_id,
        matches.kind,
        matches.subject,
        matches.title_en,
        matches.title_ko,
        matches.title_ja,
        matches.title_zh,
        matches.is_leading,
        details.overview,
        details.homepage_url,
        details.phone as detail_phone
    from matches
    inner join records
        on
            matches.language_code = records.language_code
            and matches.content_id = records.content_id
    left join details
        on
            matches.language_code = details.language_code
            and matches.content_id = details.content_id
),

english as (
    select * from matched
    where language_code = 'en'
),

korean as (
    select * from matched
    where language_code = 'ko'
),

japanese as (
    select * from matched
    where language_code = 'ja'
),

chinese as (
    select * from matched
    where language_code = 'zh'
),

-- What holds for a place as a whole. The source lists medical clinics among its attractions.
all_records as (
    select
        place_id,
        max(case when is_listed then 1 else 0 end) = 1 as is_listed,
        max(removed_on) as last_removed_on,
        max(case when category_code = 'EX050800' then 1 else 0 end) = 1 as is_clinic
    from matched
    group by place_id
),

-- Of twins the Korean record leads: it has the codes that the others often lack.
leaders as (
    select
        matched.place_id,
        matched.kind,
        matched.subject,
        matched.group_code,
        matched.created_at,
        matched.modified_at,
        matched.logical_date,
        record_districts.district_id,
        record_districts.district_source,
        -- The narrowest level of the classification that the list of categories knows.
        coalesce(
            narrow.category_id, middle.category_id, wide.category_id, 'unknown'
        ) as category_id
    from matched
    left join record_districts
        on
            'tour_' || matched.language_code = record_districts.source
            and matched.content_id = record_districts.record_id
    left join known_categories as narrow on matched.category_code = narrow.category_id
    left join known_categories as middle on matched.group_code = middle.category_id
    left join known_categories as wide on matched.class_code = wide.category_id
    where matched.is_leading
),

-- An image goes with its own copyright.
ranked_images as (
    select
        place_id,
        image_url,
        thumbnail_url,
        copyright_type,
        row_number() over (
            partition by place_id
            order by case language_code when 'ko' then 1 when 'en' then 2 else 3 end, language_code
        ) as image_rank
    from matched
    where image_url is not null
),

images as (
    select * from ranked_images
    where image_rank = 1
),

merged as (
    select
        leaders.place_id,
        leaders.kind,
        leaders.subject,
        leaders.category_id,
        leaders.group_code,
        leaders.district_id,
        leaders.district_source,
        english.content_id as content_id_en,
        korean.content_id as content_id_ko,
        japanese.content_id as content_id_ja,
        chinese.content_id as content_id_zh,
        english.title_en,
        coalesce(
            korean.title_ko, english.title_ko, japanese.title_ko, chinese.title_ko
        ) as title_ko,
        japanese.title_ja,
        chinese.title_zh,
        english.address as address_en,
        english.address_detail as address_detail_en,
        korean.address as address_ko,
        korean.address_detail as address_detail_ko,
        coalesce(
            korean.zip_code, english.zip_code, japanese.zip_code, chinese.zip_code
        ) as zip_code,
        -- The lists have a number for festivals alone.
        coalesce(
            korean.phone,
            english.phone,
            korean.detail_phone,
            english.detail_phone,
            japanese.detail_phone,
            chinese.detail_phone
        ) as phone,
        coalesce(
            korean.longitude, english.longitude, japanese.longitude, chinese.longitude
        ) as longitude,
        coalesce(
            korean.latitude, english.latitude, japanese.latitude, chinese.latitude
        ) as latitude,
        images.image_url,
        images.thumbnail_url,
        images.copyright_type,
        english.overview as overview_en,
        korean.overview as overview_ko,
        japanese.overview as overview_ja,
        chinese.overview as overview_zh,
        -- The website's visitors read English first.
        coalesce(
            english.homepage_url, korean.homepage_url, japanese.homepage_url, chinese.homepage_url
        ) as homepage_url,
        all_records.is_clinic,
        all_records.is_listed,
        case when not all_records.is_listed then all_records.last_removed_on end as removed_on,
        leaders.created_at,
        leaders.modified_at,
        leaders.logical_date
    from leaders
    inner join all_records on leaders.place_id = all_records.place_id
    left join english on leaders.place_id = english.place_id
    left join korean on leaders.place_id = korean.place_id
    left join japanese on leaders.place_id = japanese.place_id
    left join chinese on leaders.place_id = chinese.place_id
    left join images on leaders.place_id = images.place_id
),

-- A festival has no venue of its own: the spot that it names is one, the same for all that name it.
with_venue as (
    select
        *,
        case
            when subject <> 'festival' then null
            when
                coalesce(address_ko, address_detail_ko, address_en, address_detail_en) is null
                then 'unknown'
            else
                'tour-'
                || md5(
                    coalesce(address_ko, address_en, '')
                    || '|'
                    || coalesce(address_detail_ko, address_detail_en, '')
                )
        end as venue_id
    from merged
)

select * from with_venue
