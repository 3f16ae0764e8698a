"""Calls of a first run of tour and kopis on the sample API, compared with the possible minimum.

A TourAPI list contains its total: it needs a call for each 1,000 rows or part of them, and one call
if it is empty. A KOPIS list has no total: each window needs a call for each 100 rows, and a last
one whose page is not full. Details need one call per key.
"""

import os
import tempfile
from collections import Counter
from datetime import timedelta
from pathlib import Path

import duckdb
import requests

from loaders import settings
from loaders.cli import commands
from loaders.sample_api import SampleApi
from loaders.sources.kopis import windows
from loaders.sources.tour import SERVICES


def main() -> None:
    with tempfile.TemporaryDirectory() as home, SampleApi(today=settings.today()) as api:
        os.environ["HELLO_KOREA_HOME"] = home
        for source, url in api.base_urls().items():
            os.environ[f"SOURCES__{source.upper()}__BASE_URL"] = url
            os.environ[f"SOURCES__{source.upper()}__SERVICE_KEY"] = "sample"
        for source in ("tour", "kopis"):
            code, message = commands.run(source, commands.RunArguments())
            assert code == 0, message
        calls = api.calls.copy()
        minimum = minimum_calls(api, Path(home), list(calls))
    print("\ncalls of a first run           calls   minimum")
    for operation in sorted(calls):
        print(f"  {operation:<28} {calls[operation]:>5}  {minimum[operation]:>8}")
    print(f"  {'all':<28} {calls.total():>5}  {minimum.total():>8}")


def minimum_calls(api: SampleApi, home: Path, operations: list[str]) -> Counter[str]:
    """Return the fewest calls of each operation that the lengths of its lists allow."""
    minimum = Counter(
        {
            name: max(1, -(-tour_total(api, name) // 1000))
            for name in operations
            if "Service2" in name and "detail" not in name
        }
    )
    today = settings.today()
    for start, end in windows(today - timedelta(days=7), today + timedelta(days=90)):
        window = {"stdate": f"{start:%Y%m%d}", "eddate": f"{end:%Y%m%d}"}
        minimum["pblprfr"] += kopis_rows(api, "pblprfr", window) // 100 + 1
    minimum["prfplc"] = kopis_rows(api, "prfplc", {}) // 100 + 1
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as warehouse:
        for operation, table in (("pblprfr", "performances"), ("prfplc", "venues")):
            (rows,) = warehouse.sql(f"select count(*) from staging_kopis.{table}").fetchall()
            minimum[f"{operation}/{{id}}"] = rows[0]
        for language, service in SERVICES.items():
            places = f"select count(*) from staging_tour.places where language = '{language}'"
            all_of_them = warehouse.sql(places).fetchall()[0][0]
            minimum[f"{service}/detailCommon2"] = minimum[f"{service}/detailIntro2"] = all_of_them
            with_image = warehouse.sql(f"{places} and image_url is not null").fetchall()[0][0]
            minimum[f"{service}/detailImage2"] = with_image
    return minimum


def tour_total(api: SampleApi, operation: str) -> int:
    """Return the total of a TourAPI list from its response."""
    params = {"serviceKey": "sample", "MobileOS": "ETC", "MobileApp": "bench", "_type": "json"}
    parameters = {
        "ldongCode2": {"lDongRegnCd": "11", "lDongListYn": "Y"},
        "lclsSystmCode2": {"lclsSystmListYn": "Y"},
        "areaBasedSyncList2": {"showflag": "0"},
        "searchFestival2": {
            "lDongRegnCd": "11",
            "eventStartDate": f"{settings.today() - timedelta(days=365):%Y%m%d}",
        },
    }
    params |= parameters.get(operation.split("/")[1], {"lDongRegnCd": "11"})
    response = requests.get(f"{api.url}/tour/{operation}", params, timeout=10).json()
    return int(response["response"]["body"]["totalCount"])


def kopis_rows(api: SampleApi, operation: str, params: dict[str, str]) -> int:
    """Count the rows of a KOPIS list page by page."""
    rows, page = 0, 1
    while True:
        page_params = params | {
            "service": "sample",
            "signgucode": "11",
            "rows": "100",
            "cpage": str(page),
        }
        url = f"{api.url}/kopis/{operation}"
        count = requests.get(url, page_params, timeout=10).text.count("<db>")
        rows, page = rows + count, page + 1
        if count < 100:
            return rows


if __name__ == "__main__":
    main()
