{#- The sources of the exported rows, with what they oblige a page to show next to them. KOPIS's line
    is prescribed word for word. -#}
{% macro data_sources() -%}
    {{ return([
        {
            'source': 'tour',
            'name_en': 'Korea Tourism Organization (TourAPI)',
            'name_ko': '한국관광공사 (TourAPI)',
            'homepage_url': 'https://www.data.go.kr/data/15101753/openapi.do',
            'licence': 'KOGL, the type by image (image_licence)',
            'attribution': 'Source: Korea Tourism Organization (한국관광공사)',
            'terms': 'Credit texts and images. Images of KOGL type 3 must not be changed or cropped.',
        },
        {
            'source': 'kopis',
            'name_en': 'Korea Performing Arts Box Office Information System (KOPIS)',
            'name_ko': '공연예술통합전산망 (KOPIS)',
            'homepage_url': 'https://www.kopis.or.kr',
            'licence': none,
            'attribution': '출처: (재)예술경영지원센터 공연예술통합전산망, www.kopis.or.kr',
            'terms': 'The line must be shown word for word wherever the data or its posters are.',
        },
        {
            'source': 'seoul',
            'name_en': 'Seoul Open Data Plaza',
            'name_ko': '서울 열린데이터광장',
            'homepage_url': 'https://data.seoul.go.kr',
            'licence': 'KOGL Type 1',
            'attribution': 'Source: Seoul Open Data Plaza (서울 열린데이터광장)',
            'terms': 'Credit texts and images.',
        },
        {
            'source': 'kma',
            'name_en': 'Korea Meteorological Administration',
            'name_ko': '기상청',
            'homepage_url': 'https://www.weather.go.kr',
            'licence': none,
            'attribution': 'Source: Korea Meteorological Administration (기상청)',
            'terms': 'Credit forecasts and observations.',
        },
        {
            'source': 'travelpayouts',
            'name_en': 'Aviasales (Travelpayouts)',
            'name_ko': none,
            'homepage_url': 'https://www.aviasales.com',
            'licence': none,
            'attribution': 'Fares found by users of Aviasales in the last days, not live quotes',
            'terms': 'Show fares as such, with the day on which they were seen.',
        },
        {
            'source': 'incheon',
            'name_en': 'Incheon International Airport Corporation',
            'name_ko': '인천국제공항공사',
            'homepage_url': 'https://www.airport.kr',
            'licence': none,
            'attribution': 'Source: Incheon International Airport Corporation (인천국제공항공사)',
            'terms': 'Credit the list of airports.',
        },
        {
            'source': 'exim',
            'name_en': 'Export-Import Bank of Korea',
            'name_ko': '한국수출입은행',
            'homepage_url': 'https://www.koreaexim.go.kr',
            'licence': none,
            'attribution': 'Source: Export-Import Bank of Korea (한국수출입은행)',
            'terms': 'Credit exchange rates.',
        },
    ]) }}
{%- endmacro %}
