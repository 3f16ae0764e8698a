"""Stage 100,000 TourAPI rows from raw pages, compared with dlt's default path.

dlt reads the same pages and yields their rows as dicts into its filesystem destination, as parquet.
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
DAY = date(2026, 11, 22)
FOLDER = f"raw/tour/places/dt={DAY}/extraction=01"


def write_pages(lake: Lake) -> None:
    """Write raw pages like an extraction. Rows are as long as Seoul's real ones, with 26 fields."""
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
        constants = {"language": "ko"}
        pages.append(raw.keep(lake, file, body, constants, "", {}, datetime(2026, 11, 22)))
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


def kept_folder(lake: Lake) -> raw.Folder:
    (folder,) = raw.extractions(lake, "tour", "places", DAY)
    return folder


def stage_as_arrow(lake: Lake) -> float:
    """Return the seconds that the project needs."""
    started = time.perf_counter()
    folder = kept_folder(lake)
    pages = raw.pages_of(lake, folder)
    staged, _ = stage_extraction(
        lake, "tour", SOURCES["tour"].table("places"), DAY, folder, pages, "reject", {}
    )
    seconds = time.perf_counter() - started
    assert staged.rows == ROWS
    return seconds


def stage_as_dicts(lake: Lake) -> float:
    """Return the seconds that dlt's default path needs."""

    @dlt.resource(name="places")
    def places() -> Iterator[list[dict[str, str]]]:
        for page in raw.pages_of(lake, kept_folder(lake)):
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


def median_seconds(stage: Callable[[Lake], float], lake: Lake) -> float:
    """Return the median of `RUNS` runs, after one that is not counted."""
    stage(lake)
    return statistics.median(stage(lake) for _ in range(RUNS))


def main() -> None:
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    with tempfile.TemporaryDirectory() as folder:
        lake = FolderLake(Path(folder))
        write_pages(lake)
        arrow, dicts = median_seconds(stage_as_arrow, lake), median_seconds(stage_as_dicts, lake)
    print(f"stage {ROWS:,} TourAPI rows from raw pages, median of {RUNS} runs:")
    print(f"  staged as arrow      {arrow:6.2f} s  {ROWS / arrow:9,.0f} rows/s")
    print(f"  dlt, rows as dicts   {dicts:6.2f} s  {ROWS / dicts:9,.0f} rows/s")
    print(f"  ratio                {dicts / arrow:6.1f}")


if __name__ == "__main__":
    main()
