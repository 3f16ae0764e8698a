"""100,000 TourAPI rows from raw pages to staged parquet, beside dlt's default path.

dlt's default path is given the same pages and yields their rows as dicts into its filesystem
destination as parquet. The two run in turn, each in a process of its own.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import orjson

ROWS, PAGE_SIZE, ROUNDS = 100_000, 1_000, 3
FOLDER = "raw/tour/places/dt=2026-11-22/extraction=01"


def write_pages(root: Path) -> None:
    """Raw pages as an extraction leaves them: rows as long as Seoul's real ones, 26 fields each."""
    from loaders import raw
    from loaders.lake import Lake
    from loaders.source import Call

    lake = Lake(root)
    pages = []
    for first in range(0, ROWS, PAGE_SIZE):
        rows = [place(number) for number in range(first, first + PAGE_SIZE)]
        body = orjson.dumps(
            {
                "response": {
                    "header": {"resultCode": "0000", "resultMsg": "OK"},
                    "body": {"items": {"item": rows}, "totalCount": ROWS},
                }
            }
        )
        file = f"{FOLDER}/page-{first:06}.json"
        lake.write_once(file, body)
        call = Call("KorService2/areaBasedList2", row={"language": "ko"})
        from datetime import datetime

        pages.append(raw.describe(lake, file, body, call, {}, datetime(2026, 11, 22)))
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


def ours(root: Path) -> float:
    from loaders.lake import Lake
    from loaders.sources import SOURCES
    from loaders.stage import stage_extraction

    started = time.perf_counter()
    _, staged = stage_extraction(
        Lake(root), "tour", SOURCES["tour"].table("places"), date(2026, 11, 22), FOLDER
    )
    seconds = time.perf_counter() - started
    assert len(staged.rows) == ROWS
    return seconds


def dlt_default(root: Path) -> float:
    import dlt

    from loaders import raw
    from loaders.lake import Lake

    lake = Lake(root)

    @dlt.resource(name="places")
    def places():  # type: ignore[no-untyped-def] # noqa: ANN202
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
        assert pipeline.last_trace.last_normalize_info.row_counts["places"] == ROWS
    return seconds


def timed(way: str, root: Path) -> float:
    """Seconds of one run in a process of its own, imports not counted."""
    done = subprocess.run(
        [sys.executable, __file__, way, str(root)], check=True, capture_output=True, text=True
    )
    return float(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    if len(sys.argv) == 3:
        way = {"ours": ours, "dlt": dlt_default}[sys.argv[1]]
        print(json.dumps(way(Path(sys.argv[2]))))
        return
    with tempfile.TemporaryDirectory() as folder:
        write_pages(Path(folder))
        pairs = [(timed("ours", Path(folder)), timed("dlt", Path(folder))) for _ in range(ROUNDS)]
    mine, default = (statistics.median(side) for side in zip(*pairs, strict=True))
    print(f"stage {ROWS:,} TourAPI rows from raw pages, median of {ROUNDS}:")
    print(f"  staged as arrow      {mine:6.2f} s  {ROWS / mine:9,.0f} rows/s")
    print(f"  dlt, rows as dicts   {default:6.2f} s  {ROWS / default:9,.0f} rows/s")
    print(f"  ratio                {default / mine:6.1f}")


if __name__ == "__main__":
    main()
