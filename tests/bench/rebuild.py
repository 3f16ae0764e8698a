"""The time of `dlt pipeline run --rebuild`, without a warehouse, after 2, 30 and 365 days of runs.

The days are synthesised: see `support.history`. Here raw has the responses of each of them too, and
the lists have the same rows on each day. The usage logs have a thousand clicks a day.
"""

import sys
import tempfile
from pathlib import Path

import verify
from history import command, row, use_home

from loaders.export import embedded_postgres

DAYS = (2, 30, 365)


def main(spans: list[int]) -> None:
    print("processor seconds, seconds and peak memory of `dlt pipeline run --rebuild`")
    for days in spans:
        with tempfile.TemporaryDirectory() as home:
            use_home(Path(home), days)
            try:
                command("python", verify.__file__, "--synthesise", str(days))
                (Path(home) / "warehouse.duckdb").unlink()
                rebuild = command("dlt", "pipeline", "run", "--rebuild")
            finally:
                embedded_postgres.stop()
        print(f"{days:>5,} days  {row(rebuild)}", flush=True)


if __name__ == "__main__":
    main([int(argument) for argument in sys.argv[1:]] or list(DAYS))
