"""A day's first run of all sources on the sample API, beside the slowest table's extraction and the
loads that follow it: tables do not wait for each other.

The extraction of details counts from where that of their list began. The loads that follow are what
is left of all loads when it ends, one after the other, since the warehouse takes one writer.
"""

import os
import tempfile
import time
from pathlib import Path

import orjson

from loaders import settings
from loaders.cli import commands
from loaders.sample_api import SampleApi
from loaders.sources import SOURCES

MARK = 1.15

Span = tuple[float, float]
"""When something began and ended, in seconds."""


def main() -> None:
    spans, took = first_run()
    extractions = {name: it["extract"] for name, it in spans.items()}
    for name, listed in lists_of_details().items():
        extractions[name] = (extractions[listed][0], extractions[name][1])
    slowest = max(extractions, key=lambda name: length(extractions[name]))
    ended = extractions[slowest][1]
    left = [(max(it["load"][0], ended), it["load"][1]) for it in spans.values()]
    following = [length(span) for span in left if length(span) > 0]
    parts = length(extractions[slowest]) + sum(following)
    print(f"\na first run of {len(spans)} tables on the sample API")
    print(f"  {'extraction of ' + slowest:<44} {length(extractions[slowest]):>6.2f} s")
    print(f"  {f'loads that follow it, {len(following)} tables':<44} {sum(following):>6.2f} s")
    print(f"  {'the run':<44} {took:>6.2f} s: {took / parts:.2f} of these (at most {MARK})")


def first_run() -> tuple[dict[str, dict[str, Span]], float]:
    """The spans of each table's phases, and the seconds of the whole run."""
    with tempfile.TemporaryDirectory() as home, SampleApi(today=settings.today()) as api:
        os.environ["HELLO_KOREA_HOME"] = home
        for source, url in api.base_urls().items():
            os.environ[f"SOURCES__{source.upper()}__BASE_URL"] = url
            os.environ[f"SOURCES__{source.upper()}__SERVICE_KEY"] = "sample"
        began = time.monotonic()
        code, message = commands.run(None, commands.RunArguments())
        assert code == 0, message
        outcomes = orjson.loads((Path(home) / commands.LAST_RUN).read_bytes())
    # The usage logs are made when all that is asked for is in.
    spans = {
        f"{it['source']}.{it['table']}": it["seconds"] for it in outcomes if it["source"] in SOURCES
    }
    return spans, max(ended for it in spans.values() for _, ended in it.values()) - began


def lists_of_details() -> dict[str, str]:
    """Each table of details, and the list whose keys it asks for."""
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
