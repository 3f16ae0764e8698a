{#- Dist: a few hundred rows. Sort: the export reads all rows by key. -#}
{{ config(dist='all', sort='lodging_id') }}

with

lodgings as (
    select * from {{ ref('dim_lodging') }}
),

romanized_names as (
    select * from {{ ref('dim_romanized_name') }}
),

served as (
    select
        lodging_id,
        source,
        {{ attribution('source', "case when licence_kind is not null then 'seoul' end") }}
            as attribution,
        also_in,
        licence_kind,
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
        room_count,
        longitude,
        latitude,
        image_url,
        thumbnail_url,
        copyright_type,
        description_en,
        description_ko,
        description_ja,
        description_zh,
        parking_en,
        parking_ko,
        parking_ja,
        parking_zh,
        rooms_en,
        rooms_ko,
        rooms_ja,
        rooms_zh,
        facilities_en,
        facilities_ko,
        facilities_ja,
        facilities_zh,
        homepage_url,
        contact,
        check_in,
        check_out,
        reservation,
        reservation_url,
        case when image_url is not null then source end as image_source,
        case when image_url is not null then {{ image_licence('source', 'copyright_type') }} end
            as image_licence,
        case when image_url is not null then {{ attribution('source') }} end as image_attribution,
        modified_at
    from lodgings
    where is_listed
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
