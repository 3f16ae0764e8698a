"""A page is parsed once on its way from the API to stage."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from support.project import TODAY

from loaders import settings
from loaders.lake.lake import open_lake
from loaders.pipeline.context import RunOptions, prepare
from loaders.pipeline.results import Progress, TableResult
from loaders.pipeline.run import run
from loaders.sample_api import SampleApi
from loaders.sources import SOURCES
from loaders.sources.source import Table

pytestmark = pytest.mark.usefixtures("staging_tables")


def ignore_progress(source: str, table: str, progress: Progress) -> None:
    pass


@pytest.mark.core
def test_each_page_is_parsed_once_and_a_rerun_parses_none(api: SampleApi, home: Path) -> None:
    parsed: Counter[bytes] = Counter()

    def with_counter(table: Table) -> Table:
        def read(body: bytes) -> pa.Table:
            parsed[body] += 1
            return table.read(body)

        return replace(table, read=read)

    original = SOURCES["seoul"]
    source = replace(original, tables=tuple(map(with_counter, original.tables)))
    options = RunOptions(TODAY, (TODAY,), phases=("extract", "stage"))
    results: list[TableResult] = []
    for _ in range(2):
        lake = open_lake(settings.lake_url())
        run([prepare(source, lake, "", options)], ignore_progress, results.append)
    first, second = results[: len(source.tables)], results[len(source.tables) :]
    assert sum(result.pages for result in first) == len(parsed) > len(source.tables)
    assert sum(result.calls for result in second) == 0
    assert set(parsed.values()) == {1}
