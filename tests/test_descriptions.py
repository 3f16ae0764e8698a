"""Descriptions are in the warehouse too, and name the values of the columns that have few."""

import re

import pytest
from support.newcomer import Newcomer
from support.pipelines import query

pytestmark = pytest.mark.slow

LAYERS = ("star", "frequent", "serving", "snapshots")
CODES = {
    "star.dim_user": ("age_group",),
    "star.dim_item": ("topic_code",),
    "star.fct_session": ("channel_code",),
    "star.fct_flight_schedule": ("direction",),
    "star.fct_weather_day": ("weather_kind", "weather_source"),
    "star.dim_place": ("kind",),
    "star.dim_lodging": ("licence_kind",),
    "star.dim_venue": ("location_precision",),
    "star.dim_image": ("owner_kind",),
    "frequent.freq_usage": ("age_group", "channel_code"),
}
"""Columns with few values, all of which are in the description."""


def test_tables_and_columns_have_their_descriptions_as_comments(built: Newcomer) -> None:
    described = [
        (node["schema"], node["alias"], name, description)
        for node in built.artifact("manifest.json")["nodes"].values()
        if node["resource_type"] in ("model", "snapshot") and node["schema"] in LAYERS
        for name, description in [
            ("", node["description"]),
            *((column["name"], column["description"]) for column in node["columns"].values()),
        ]
    ]
    commented = query(
        built.home,
        f"""
        select schema_name, table_name, column_name, comment from duckdb_columns()
        where schema_name in {LAYERS}
        union all
        select schema_name, table_name, '', comment from duckdb_tables()
        where schema_name in {LAYERS}
        """,
    )
    assert set(commented) == set(described)


@pytest.mark.parametrize(
    ("table", "column"), [(table, column) for table, names in CODES.items() for column in names]
)
def test_a_description_names_every_value_of_its_column(
    built: Newcomer, table: str, column: str
) -> None:
    schema, name = table.split(".")
    ((comment,),) = query(
        built.home,
        "select comment from duckdb_columns()"
        f" where schema_name = '{schema}' and table_name = '{name}' and column_name = '{column}'",
    )
    values = query(built.home, f"select distinct {column} from {table} where {column} is not null")
    assert values
    assert {value for (value,) in values} <= set(re.findall("`([^`]+)`", comment))


def test_venues_and_the_cities_of_fares_have_english_names(built: Newcomer) -> None:
    without = "select count(*) from star.dim_venue where venue_kind <> '' and venue_kind_en is null"
    assert query(built.home, without) == [(0,)]
    cities = dict(
        query(
            built.home,
            "select origin_city_code, city_en from frequent.freq_cheapest_fare"
            " inner join star.dim_airport on origin_city_code = city_code",
        )
    )
    assert (cities["TYO"], cities["BJS"]) == ("Tokyo", "Beijing")
    assert all(cities.values())
