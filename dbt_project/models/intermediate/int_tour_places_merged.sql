{#- Dist: a few thousand rows, copied to every node. Sort: the key that the next models join on. -#}
{{ config(dist='all', sort='place_id') }}

with

records as (
    select * from {{ ref('int_tour_records_detailed') }}
),

-- The Korean record of twins leads: it has codes that the other languages often lack.
leaders as (
    select * from records
    where is_leading
),

english as (
    select * from records
    where language_code = 'en'
),

korean as (
    select * from records
    where language_code = 'ko'
),

japanese as (
    select * from records
    where language_code = 'ja'
),

chinese as (
    select * from records
    where language_code = 'zh'
),

listings as (
    select
        place_id,
        max(case when is_clinic then 1 else 0 end) = 1 as is_clinic,
        max(case when is_listed then 1 else 0 end) = 1 as is_listed,
        max(removed_on) as last_removed_on
    from records
    group by place_id
),

-- An image keeps its own licence.
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
    from records
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
        coalesce(korean.title_ko, english.title_ko, japanese.title_ko, chinese.title_ko)
            as title_ko,
        japanese.title_ja,
        chinese.title_zh,
        english.address as address_en,
        english.address_detail as address_detail_en,
        korean.address as address_ko,
        korean.address_detail as address_detail_ko,
        coalesce(korean.zip_code, english.zip_code, japanese.zip_code, chinese.zip_code)
            as zip_code,
        -- The lists have phone numbers only for festivals.
        coalesce(
            korean.phone,
            english.phone,
            korean.detail_phone,
            english.detail_phone,
            japanese.detail_phone,
            chinese.detail_phone
        ) as phone,
        coalesce(korean.longitude, english.longitude, japanese.longitude, chinese.longitude)
            as longitude,
        coalesce(korean.latitude, english.latitude, japanese.latitude, chinese.latitude)
            as latitude,
        images.image_url,
        images.thumbnail_url,
        images.copyright_type,
        english.overview as overview_en,
        korean.overview as overview_ko,
        japanese.overview as overview_ja,
        chinese.overview as overview_zh,
        -- Visitors of the website prefer English.
        coalesce(
            english.homepage_url, korean.homepage_url, japanese.homepage_url, chinese.homepage_url
        ) as homepage_url,
        listings.is_clinic,
        listings.is_listed,
        case when not listings.is_listed then listings.last_removed_on end as removed_on,
        leaders.created_at,
        leaders.modified_at,
        leaders.logical_date
    from leaders
    inner join listings on leaders.place_id = listings.place_id
    left join english on leaders.place_id = english.place_id
    left join korean on leaders.place_id = korean.place_id
    left join japanese on leaders.place_id = japanese.place_id
    left join chinese on leaders.place_id = chinese.place_id
    left join images on leaders.place_id = images.place_id
),

-- TourAPI has no venues. Festivals with the same address share one, whose id is a hash of the
-- address.
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
