{#- Dist: a few thousand rows. Sort: the export reads all rows by key. -#}
{{ config(dist='all', sort='place_id') }}

with

places as (
    select * from {{ ref('dim_place') }}
),

romanized_names as (
    select * from {{ ref('dim_romanized_name') }}
),

served as (
    select
        place_id,
        'tour' as source,
        {{ attribution("'tour'") }} as attribution,
        kind,
        category_id,
        district_id,
        title_en,
        title_ko,
        title_ja,
        title_zh,
        address_en,
        address_ko,
        zip_code,
        phone,
        longitude,
        latitude,
        image_url,
        thumbnail_url,
        copyright_type,
        case when image_url is not null then 'tour' end as image_source,
        case when image_url is not null then {{ image_licence("'tour'", 'copyright_type') }} end
            as image_licence,
        case when image_url is not null then {{ attribution("'tour'") }} end as image_attribution,
        overview_en,
        overview_ko,
        overview_ja,
        overview_zh,
        homepage_url,
        opening_hours_en,
        opening_hours_ko,
        opening_hours_ja,
        opening_hours_zh,
        closed_days_en,
        closed_days_ko,
        closed_days_ja,
        closed_days_zh,
        fee_en,
        fee_ko,
        fee_ja,
        fee_zh,
        parking_en,
        parking_ko,
        parking_ja,
        parking_zh,
        programme_en,
        programme_ko,
        programme_ja,
        programme_zh,
        offers_en,
        offers_ko,
        offers_ja,
        offers_zh,
        discount,
        contact,
        reservation,
        visit_length,
        age_limit,
        modified_at
    from places
    -- Medical tourism is not an attraction. Places that the source removed leave the website.
    where
        is_listed
        and not is_clinic
),

named as (
    select
        served.*,
        {{ search_text([
            'served.title_en',
            'served.title_ko',
            'served.title_ja',
            'served.title_zh',
            'romanized_names.name_romanized',
        ]) }} as search_text,
        {{ romanized_columns('title') }}
    from served
    left join romanized_names on served.title_ko = romanized_names.name_ko
)

select * from named
