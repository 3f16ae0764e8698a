"""The way from the APIs to the website's database, killed at any point and run again."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import duckdb
import orjson
import psycopg2
import pyarrow.parquet as pq

from loaders.lake.raw import COMPLETE, META
from loaders.pipeline.stage import file_name
from loaders.sample_api import SampleApi
from loaders.sample_api.service import ApiResponse
from support.project import PROJECT, TODAY

SOURCES = ["kopis", "incheon", "travelpayouts"]
COMMANDS = {
    **{name: ["dlt", "pipeline", name, "run"] for name in SOURCES},
    # With the export at its end.
    "build": [
        *("dbt", "build", "--indirect-selection", "buildable"),
        *("--select", "+rds_fares", "+rds_airports", "stg_kopis__venues"),
    ],
}
RUN_COLUMNS = {"_dlt_load_id", "_dlt_id", "load_id"}
"""Columns that identify the run that wrote a row."""
NUMBER = re.compile(r"(\.[0-9a-f]{12})\.\d+\.")
"""The number in the name of a raw file that tells repeated requests apart, after the digest."""
FILES = {
    "raw_file": rf"regexp_replace(raw_file, '{NUMBER.pattern}', '\1.')",
    # The name of a staged file is a digest, also of the names of raw files.
    "stage_file": r"regexp_replace(stage_file, '[0-9a-f]+\.parquet$', '')",
}
"""SQL for columns with the names of files, without what a repeated request changes."""
BIN = Path(sys.executable).parent


class LoggedApi(SampleApi):
    """The sample API, with the ids of all requests in order."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.requests: list[str] = []

    def respond(self, target: str, headers: Mapping[str, str]) -> tuple[ApiResponse, Any]:
        self.requests.append(request_id(target))
        return super().respond(target, headers)


def request_id(url: str) -> str:
    """Return the path and the sorted parameters of a request, without host and service key."""
    parts = urlsplit(url)
    parameters = sorted(
        (name, value) for name, value in parse_qsl(parts.query) if value != "sample"
    )
    return f"{parts.path} {parameters}"


@dataclass(frozen=True)
class Kill:
    """When to kill a command: at its call number `calls`, or `seconds` after it began or printed
    `after`."""

    command: str
    calls: int = 0
    seconds: float = 0.0
    after: str = ""

    def __str__(self) -> str:
        if self.calls:
            return f"{self.command} at its call {self.calls}"
        if self.after:
            return f"{self.command} {self.seconds:.2f} s after {self.after!r}"
        return f"{self.command} after {self.seconds:.2f} s"


@dataclass
class Installation:
    """A home and a website's database, filled by `COMMANDS`."""

    home: Path
    database: str
    """URL of the website's database."""
    api: LoggedApi
    kills: list[Kill] = field(default_factory=list)
    """The kills that came before the end of their command."""

    def environment(self) -> dict[str, str]:
        urls = self.api.base_urls()
        return os.environ | {
            "HELLO_KOREA_HOME": str(self.home),
            "HELLO_KOREA_TODAY": TODAY.isoformat(),
            "DBT_PROFILES_DIR": str(self.home),
            "DBT_TARGET_PATH": str(self.home / "target"),
            "DBT_LOG_PATH": str(self.home / "logs"),
            "RDS__URL": self.database,
            "RUNTIME__DLTHUB_TELEMETRY": "false",
            "SOURCES__TRAVELPAYOUTS__ORIGINS": "TYO",
            **{f"SOURCES__{name.upper()}__BASE_URL": urls[name] for name in SOURCES},
            **{f"SOURCES__{name.upper()}__SERVICE_KEY": "sample" for name in SOURCES},
        }

    def prepare(self) -> None:
        """Create the home."""
        self.home.mkdir(parents=True, exist_ok=True)
        profiles = (PROJECT / "profiles.yml.example").read_text(encoding="utf-8")
        (self.home / "profiles.yml").write_text(profiles, encoding="utf-8")

    def run(self, command: str, kill: Kill | None = None) -> bool:
        """Run a command. Return whether it ended before its kill; then it must have succeeded."""
        log = self.home / "output.txt"
        first_request = len(self.api.requests)
        with log.open("w") as output:
            process = subprocess.Popen(
                [BIN / COMMANDS[command][0], *COMMANDS[command][1:]],
                cwd=PROJECT,
                env=self.environment(),
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            began = time.monotonic()
            while process.poll() is None:
                if kill and self._is_due(kill, first_request, began, log):
                    with suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)
                    break
                time.sleep(0.002)
            code = process.wait()
        if kill and code == -signal.SIGKILL:
            self.kills.append(kill)
            return False
        assert code == 0, f"{command}: {log.read_text()[-3000:]}"
        return True

    def _is_due(self, kill: Kill, first_request: int, began: float, log: Path) -> bool:
        if kill.calls:
            return len(self.api.requests) - first_request >= kill.calls
        if kill.after:
            if kill.after not in log.read_text(errors="replace"):
                return False
            time.sleep(kill.seconds)
            return True
        return time.monotonic() - began >= kill.seconds

    def kept_requests(self) -> set[str]:
        """Return the ids of the requests whose responses are in raw."""
        raw = self.home / "lake" / "raw"
        return {
            request_id(orjson.loads(meta.read_bytes())["request"]["url"])
            for meta in raw.rglob(f"*{META}")
        }

    def contents(self) -> dict[str, Any]:
        """Return raw, stage, warehouse and the website's database by file or table, without the
        times and ids of the runs."""
        return self.raw() | self.staged() | self.warehouse() | self.rds()

    def lose_description(self, chance: random.Random) -> None:
        """Delete the description of a random response of an interrupted extraction.

        A kill between the writes of a body and its description has the same effect, but is rare.
        """
        raw = self.home / "lake" / "raw"
        described = sorted(
            file for file in raw.rglob(f"*{META}") if not (file.parent / COMPLETE).exists()
        )
        if described:
            chance.choice(described).unlink()

    def raw(self) -> dict[str, Any]:
        """Return the content of raw by file.

        A response whose description a kill cut off is requested again. It stands for both.
        """
        raw = self.home / "lake" / "raw"
        files = sorted(
            (file for file in raw.rglob("*") if file.is_file()), key=lambda file: len(file.name)
        )
        return {
            f"raw {_without_number(str(file.relative_to(raw)))}": _without_time(file)
            for file in files
        }

    def staged(self) -> dict[str, Any]:
        """Return the content of the files of each folder of stage."""
        lake = self.home / "lake"
        contents: dict[str, list[Any]] = {}
        for top in ("stage", "rejected"):
            for file in sorted((lake / top).rglob("*")):
                if file.is_file() and "stage/runs" not in str(file):
                    folder = str(file.parent.relative_to(lake))
                    contents.setdefault(folder, []).append(_without_numbers(file))
        return contents

    def warehouse(self) -> dict[str, Any]:
        with duckdb.connect(str(self.home / "warehouse.duckdb"), read_only=True) as warehouse:
            tables = warehouse.execute(
                "select table_schema, table_name from information_schema.tables"
                " where table_type = 'BASE TABLE' and table_name not like '\\_dlt%' escape '\\'"
                " and table_schema not like '%\\_staging' escape '\\'"
                " and table_schema <> 'staging_runs'"  # the history of runs
            ).fetchall()
            return {
                f"{schema}.{table}": comparable_rows(warehouse, f'"{schema}"."{table}"', FILES)
                for schema, table in tables
            }

    def duplicate_responses(self) -> list[str]:
        """Return the responses that raw has more than once with a description."""
        raw = self.home / "lake" / "raw"
        counts = Counter(_without_number(str(meta)) for meta in raw.rglob(f"*{META}"))
        return [name for name, count in counts.items() if count > 1]

    def duplicate_steps(self) -> list[tuple[Any, ...]]:
        """Return the steps that the history of runs has twice.

        The history cannot be compared with an undisturbed one, since killed runs add steps.
        """
        with duckdb.connect(str(self.home / "warehouse.duckdb"), read_only=True) as warehouse:
            return warehouse.execute(
                "select step_id from staging_runs.steps group by step_id having count(*) > 1"
            ).fetchall()

    def rds(self) -> dict[str, Any]:
        with closing(psycopg2.connect(self.database)) as connection, connection.cursor() as cursor:
            cursor.execute(
                "select table_name from information_schema.tables where table_schema = 'public'"
            )
            tables = sorted(table for (table,) in cursor.fetchall() if table != "export_log")
            rows = {}
            for table in tables:
                cursor.execute(
                    f"select (to_jsonb(t) - 'updated_at')::text from {table} as t order by 1"
                )
                rows[f"rds {table}"] = cursor.fetchall()
            return rows


def comparable_rows(
    warehouse: duckdb.DuckDBPyConnection,
    relation: str,
    expressions: Mapping[str, str] = MappingProxyType({}),
) -> list[tuple[Any, ...]]:
    """Return the rows of a relation, sorted, without `RUN_COLUMNS`.

    `expressions` has the SQL to compare instead of some columns.
    """
    names = [name for name, *_ in warehouse.execute(f"describe {relation}").fetchall()]
    columns = ", ".join(
        expressions.get(name, f'"{name}"') for name in names if name not in RUN_COLUMNS
    )
    return warehouse.execute(f"select {columns} from {relation} order by all").fetchall()


def _without_number(file: str) -> str:
    """Return the name of a raw file, or a text with names, without `NUMBER`."""
    return NUMBER.sub(r"\1.", file)


def _without_numbers(file: Path) -> Any:
    """Return the content of a staged file, with `_without_number` for each name of a raw file."""
    if file.suffix != ".parquet":
        return _without_number(file.read_text(encoding="utf-8"))
    staged = pq.read_table(file)
    said = {name: _without_number(str(value)) for name, value in staged.schema.metadata.items()}
    types = str(staged.schema.remove_metadata())
    rows = [row | {"raw_file": _without_number(row["raw_file"])} for row in staged.to_pylist()]
    assert file.name == file_name(file.read_bytes())
    return said, types, rows


def _without_time(file: Path) -> Any:
    """Return the content of a raw file that is the same in every run, or its checksum."""
    if file.name == COMPLETE:
        pages = orjson.loads(file.read_bytes())
        return [page | {"answered_at": "", "file": _without_number(page["file"])} for page in pages]
    if file.name.endswith(META):
        meta = orjson.loads(file.read_bytes())
        return meta | {"answered_at": "", "request": request_id(meta["request"]["url"])}
    return sha256(file.read_bytes()).hexdigest()


@dataclass(frozen=True)
class Baseline:
    """Result of undisturbed runs: the contents, and the calls and seconds of each command."""

    contents: dict[str, Any]
    calls: dict[str, int]
    seconds: dict[str, float]


def run_undisturbed(home: Path, database: str) -> Baseline:
    calls, seconds = {}, {}
    with LoggedApi(today=TODAY) as api:
        installation = Installation(home, database, api)
        installation.prepare()
        for command in COMMANDS:
            first_request, began = len(api.requests), time.monotonic()
            assert installation.run(command)
            calls[command] = len(api.requests) - first_request
            seconds[command] = time.monotonic() - began
        return Baseline(installation.contents(), calls, seconds)


def choose_kill(chance: random.Random, command: str, baseline: Baseline) -> Kill:
    """Return a kill at a random point: during the calls, the writes, the build or the export."""
    if command == "build":
        if chance.random() < 0.5:
            return Kill(command, seconds=chance.uniform(0, 1.2), after="Finished running")
        return Kill(command, seconds=chance.uniform(0.5, baseline.seconds[command]))
    if chance.random() < 0.5:
        return Kill(command, calls=chance.randint(1, baseline.calls[command]))
    return Kill(command, seconds=chance.uniform(0.5, baseline.seconds[command]))


def run_with_kills(
    home: Path, database: str, baseline: Baseline, kills_per_command: int, seed: int
) -> list[Kill]:
    """Run each command with a kill, `kills_per_command` times, then let it finish.

    Return the kills, without those that came after the end of their command. Nothing may be lost or
    duplicated, and no response that was kept requested again.
    """
    chance = random.Random(seed)
    with LoggedApi(today=TODAY) as api:
        installation = Installation(home, database, api)
        installation.prepare()
        for command in COMMANDS:
            for _ in range(kills_per_command):
                kept, first_request = installation.kept_requests(), len(api.requests)
                if not installation.run(command, choose_kill(chance, command, baseline)):
                    installation.lose_description(chance)
                assert kept.isdisjoint(api.requests[first_request:])
            kept, first_request = installation.kept_requests(), len(api.requests)
            assert installation.run(command)
            assert kept.isdisjoint(api.requests[first_request:])
        contents = installation.contents()
        assert installation.duplicate_responses() == []
        assert installation.duplicate_steps() == []
    different = [
        name
        for name in baseline.contents | contents
        if baseline.contents.get(name) != contents.get(name)
    ]
    assert different == [], (seed, [str(kill) for kill in installation.kills], different[:20])
    return installation.kills
