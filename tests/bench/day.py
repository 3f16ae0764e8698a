"""A day's first run of all sources on the sample API, compared with its slowest table.

Tables do not wait for each other, so the run should take little longer than the extraction of the
slowest table and the loads that follow it. The extraction of details counts from the beginning of
their list's extraction. The loads that follow are what remains of all loads when it ends.
They run one after the other, since the warehouse takes one writer.
"""

import os
import tempfile
import time
from pathlib import Path

import orjson

from loaders import settings
from loaders.cli import commands
from loaders.pipeline.results import LAST_RUN
from loaders.sample_api import SampleApi
from loaders.sources import SOURCES

MAX_RATIO = 1.15

Span = tuple[float, float]
"""Begin and end, in seconds."""


def main() -> None:
    spans, run_seconds = first_run()
    extractions = {name: phases["extract"] for name, phases in spans.items()}
    for name, list_name in lists_of_details().items():
        extractions[name] = (extractions[list_name][0], extractions[name][1])
    slowest = max(extractions, key=lambda name: length(extractions[name]))
    _, ended = extractions[slowest]
    loads = [phases["load"] for phases in spans.values()]
    following = [end - max(start, ended) for start, end in loads if end > max(start, ended)]
    expected = length(extractions[slowest]) + sum(following)
    print(f"\na first run of {len(spans)} tables on the sample API")
    print(f"  {'extraction of ' + slowest:<44} {length(extractions[slowest]):>6.2f} s")
    print(f"  {f'loads that follow it, {len(following)} tables':<44} {sum(following):>6.2f} s")
    ratio = run_seconds / expected
    print(f"  {'the run':<44} {run_seconds:>6.2f} s: {ratio:.2f} of these (at most {MAX_RATIO})")


def first_run() -> tuple[dict[str, dict[str, Span]], float]:
    """Return the spans of each table's phases, and the seconds until the last one ended."""
    with tempfile.TemporaryDirectory() as home, SampleApi(today=settings.today()) as api:
        os.environ["HELLO_KOREA_HOME"] = home
        for source, url in api.base_urls().items():
            os.environ[f"SOURCES__{source.upper()}__BASE_URL"] = url
            os.environ[f"SOURCES__{source.upper()}__SERVICE_KEY"] = "sample"
        began = time.monotonic()
        code, message = commands.run(None, commands.RunArguments())
        assert code == 0, message
        results = orjson.loads((Path(home) / LAST_RUN).read_bytes())
    # The usage logs, which are generated after all sources have run, do not count.
    spans = {
        f"{result['source']}.{result['table']}": result["seconds"]
        for result in results
        if result["source"] in SOURCES
    }
    ended = max(end for phases in spans.values() for _, end in phases.values())
    return spans, ended - began


def lists_of_details() -> dict[str, str]:
    """Return each table of details with the list that has its keys."""
    return {
        f"{source.name}.{table.name}": f"{source.name}.{table.details_of}"
        for source in SOURCES.values()
        for table in source.tables
        if table.details_of
    }


def length(span: Span) -> float:
    return span[1] - span[0]


if __name__ == "__main__":
    main()
