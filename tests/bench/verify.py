"""The time of `dlt pipeline verify` after days of daily runs: 2, 30 and 365.

The days are synthesised: see `support.history`. Here raw has the responses of each of them too. The
usage logs have a thousand clicks a day.
"""

import sys
import tempfile
from pathlib import Path

from history import command, row, use_home
from support.history import synthesise

from loaders import settings
from loaders.lake.folder import FolderLake
from loaders.lake.lake import open_lake
from loaders.sources import SOURCES

DAYS = (2, 30, 365)


def main(spans: list[int]) -> None:
    print("processor seconds, seconds and peak memory of `dlt pipeline verify`")
    for days in spans:
        with tempfile.TemporaryDirectory() as home:
            use_home(Path(home), days)
            command("python", __file__, "--synthesise", str(days))
            # The index knows one day: the copies were no runs.
            repair, verify = command("dlt", "pipeline", "verify", "--repair"), ""
            verify = row(command("dlt", "pipeline", "verify"))
            files = [path for path in (Path(home) / "lake").rglob("*") if path.is_file()]
            size = sum(path.stat().st_size for path in files) / 1e6
        print(
            f"{days:>5,} days, {len(files):>9,} files, {size:>7,.0f} MB  {verify}"
            f"  with --repair {row(repair)}",
            flush=True,
        )


def copy_responses(days: int) -> None:
    """Give each earlier date the responses of the newest one, and mark its extraction with them."""
    lake = open_lake(settings.lake_url())
    assert isinstance(lake, FolderLake)
    for source in SOURCES.values():
        for table in source.tables:
            folder = lake.root / "raw" / source.name / table.name
            newest = max(folder.iterdir())
            for date in folder.iterdir():
                if date != newest:
                    _copy(newest, date)


def _copy(newest: Path, date: Path) -> None:
    for file in newest.rglob("*"):
        if file.is_file():
            data = file.read_bytes()
            if file.name == "_complete.json":
                data = data.replace(newest.name.encode(), date.name.encode())
            target = date / file.relative_to(newest)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--synthesise"]:
        synthesise(int(sys.argv[2]))
        copy_responses(int(sys.argv[2]))
    else:
        main([int(argument) for argument in sys.argv[1:]] or list(DAYS))
