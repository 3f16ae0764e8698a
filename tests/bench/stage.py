"""100,000 TourAPI rows from raw pages to staged parquet, beside dlt's default path.

dlt's default path is given the same pages and yields their rows as dicts into its filesystem
destination as parquet.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path

import dlt
import orjson
import pyarrow.dataset as pads

from loaders.lake import raw
from loaders.lake.folder import FolderLake
from loaders.lake.lake import Lake
from loaders.pipeline.stage import stage_extraction
from loaders.sources import SOURCES

ROWS, PAGE_SIZE, RUNS = 100_000, 1_000, 5
ON = date(2026, 11, 22)
FOLDER = f"raw/tour/places/dt={ON}/extraction=01"


def write_pages(lake: Lake) -> None:
    """Raw pages as an extraction leaves them: rows as long as Seoul's real ones, 26 fields each."""
    pages = []
    for first in range(0, ROWS, PAGE_SIZE):
        body = orjson.dumps(
            {
                "response": {
                    "header": {"resultCode": "0000", "resultMsg": "OK"},
                    "body": {
                        "items": {"item": [place(first + number) for number in range(PAGE_SIZE)]},
                        "totalCount": ROWS,
                    },
                }
            }
        )
        file = f"{FOLDER}/page-{first:06}.json"
        lake.write_once(file, body)
        same = {"language": "ko"}
        pages.append(raw.describe(lake, file, body, same, "", {}, datetime(2026, 11, 22)))
    raw.complete(lake, FOLDER, pages)


def place(number: int) -> dict[str, str]:
    image = f"https://tong.visitkorea.or.kr/cms/resource_photo/46/{number}_image"
    return {
        "addr1": f"서울특별시 영등포구 노들로 {number} (당산동)",
        "addr2": "",
        "areacode": "",
        "cat1": "",
        "cat2": "",
        "cat3": "",
        "contentid": str(1_000_000 + number),
        "contenttypeid": "12",
        "createdtime": "20100715005127",
        "firstimage": f"{image}2_1.jpg",
        "firstimage2": f"{image}3_1.jpg",
        "cpyrhtDivCd": "Type1",
        "mapx": f"126.{number:010}",
        "mapy": f"37.{number:010}",
        "mlevel": "6",
        "modifiedtime": "20260622150512",
        "sigungucode": "",
        "tel": "",
        "title": f"양화한강공원 {number}",
        "zipcode": "07231",
        "lDongRegnCd": "11",
        "lDongSignguCd": "560",
        "lclsSystm1": "VE",
        "lclsSystm2": "VE03",
        "lclsSystm3": "VE030100",
    }


def ours(lake: Lake) -> float:
    started = time.perf_counter()
    _, staged = stage_extraction(
        lake, "tour", SOURCES["tour"].table("places"), ON, FOLDER, "reject", {}
    )
    seconds = time.perf_counter() - started
    assert len(staged.rows) == ROWS
    return seconds


def dlt_default(lake: Lake) -> float:
    @dlt.resource(name="places")
    def places() -> Iterator[list[dict[str, str]]]:
        for page in raw.pages_of(lake, FOLDER):
            yield orjson.loads(raw.read_page(lake, page))["response"]["body"]["items"]["item"]

    with tempfile.TemporaryDirectory() as folder:
        pipeline = dlt.pipeline(
            "bench",
            destination=dlt.destinations.filesystem(f"file://{folder}/stage"),
            dataset_name="stage",
            pipelines_dir=f"{folder}/pipelines",
        )
        started = time.perf_counter()
        pipeline.run(places, loader_file_format="parquet")
        seconds = time.perf_counter() - started
        written = pads.dataset(f"{folder}/stage/stage/places", format="parquet")
        assert written.count_rows() == ROWS
    return seconds


def median_seconds(way: Callable[[Lake], float], lake: Lake) -> float:
    """Of RUNS runs in a row, after one that is not counted."""
    way(lake)
    return statistics.median(way(lake) for _ in range(RUNS))


def main() -> None:
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    with tempfile.TemporaryDirectory() as folder:
        lake = FolderLake(Path(folder))
        write_pages(lake)
        mine, default = median_seconds(ours, lake), median_seconds(dlt_default, lake)
    print(f"stage {ROWS:,} TourAPI rows from raw pages, median of {RUNS} runs:")
    print(f"  staged as arrow      {mine:6.2f} s  {ROWS / mine:9,.0f} rows/s")
    print(f"  dlt, rows as dicts   {default:6.2f} s  {ROWS / default:9,.0f} rows/s")
    print(f"  ratio                {default / mine:6.1f}")


if __name__ == "__main__":
    main()
