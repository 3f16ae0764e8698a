"""Calls of a first run of tour and kopis on the sample API, beside the least that pages allow.

A TourAPI list tells its total: it needs a call for each 1,000 rows begun, and one where there is
none. A KOPIS list does not: a
window needs a call for each 100 rows, and one that comes back not full. A detail is one call.
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
        made = api.calls.copy()
        least = least_calls(api, Path(home), list(made))
    print("\ncalls of a first run            made   least possible")
    for operation in sorted(made):
        print(f"  {operation:<28} {made[operation]:>5}  {least[operation]:>5}")
    print(f"  {'all':<28} {made.total():>5}  {least.total():>5}")


def least_calls(api: SampleApi, home: Path, operations: list[str]) -> Counter[str]:
    least = Counter(
        {
            name: max(1, -(-total(api, name) // 1000))
            for name in operations
            if "Service2" in name and "detail" not in name
        }
    )
    today = settings.today()
    for start, end in windows(today - timedelta(days=7), today + timedelta(days=90)):
        window = {"stdate": f"{start:%Y%m%d}", "eddate": f"{end:%Y%m%d}"}
        least["pblprfr"] += len_of_list(api, "pblprfr", window) // 100 + 1
    least["prfplc"] = len_of_list(api, "prfplc", {}) // 100 + 1
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as warehouse:
        for operation, table in (("pblprfr", "performances"), ("prfplc", "venues")):
            (rows,) = warehouse.sql(f"select count(*) from staging_kopis.{table}").fetchall()
            least[f"{operation}/{{id}}"] = rows[0]
        for language, service in SERVICES.items():
            places = f"select count(*) from staging_tour.places where language = '{language}'"
            least[f"{service}/detailCommon2"] = warehouse.sql(places).fetchall()[0][0]
    return least


def total(api: SampleApi, operation: str) -> int:
    """The rows of a TourAPI list, as the API tells them."""
    params = {"serviceKey": "sample", "MobileOS": "ETC", "MobileApp": "bench", "_type": "json"}
    needed = {
        "ldongCode2": {"lDongRegnCd": "11", "lDongListYn": "Y"},
        "lclsSystmCode2": {"lclsSystmListYn": "Y"},
        "areaBasedSyncList2": {"showflag": "0"},
        "searchFestival2": {
            "lDongRegnCd": "11",
            "eventStartDate": f"{settings.today() - timedelta(days=365):%Y%m%d}",
        },
    }
    params |= needed.get(operation.split("/")[1], {"lDongRegnCd": "11"})
    answer = requests.get(f"{api.url}/tour/{operation}", params, timeout=10).json()
    return int(answer["response"]["body"]["totalCount"])


def len_of_list(api: SampleApi, operation: str, params: dict[str, str]) -> int:
    """The rows of a KOPIS list, counted page by page."""
    rows, page = 0, 1
    while True:
        asked = params | {
            "service": "sample",
            "signgucode": "11",
            "rows": "100",
            "cpage": str(page),
        }
        url = f"{api.url}/kopis/{operation}"
        found = requests.get(url, asked, timeout=10).text.count("<db>")
        rows, page = rows + found, page + 1
        if found < 100:
            return rows


if __name__ == "__main__":
    main()
