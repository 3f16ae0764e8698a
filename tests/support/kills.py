"""The whole path, from the APIs to the website's database, killed anywhere and run again."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import duckdb
import orjson
import psycopg2

from loaders.lake.raw import META
from loaders.sample_api import SampleApi
from loaders.sample_api.service import ApiResponse
from support.project import PROJECT, TODAY

SOURCES = ["kopis", "incheon", "travelpayouts"]
COMMANDS = {
    **{name: ["dlt", "pipeline", name, "run"] for name in SOURCES},
    # With its export at the end.
    "build": [
        *("dbt", "build", "--indirect-selection", "buildable"),
        *("--select", "+rds_fares", "+rds_airports", "stg_kopis__venues"),
    ],
}
OF_A_RUN = {"_dlt_load_id", "_dlt_id", "load_id"}
"""Columns that tell which run wrote a row."""
BIN = Path(sys.executable).parent


class Api(SampleApi):
    """The sample API, which remembers what it was asked in order."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.asked: list[str] = []

    def respond(self, target: str, headers: Mapping[str, str]) -> tuple[ApiResponse, Any]:
        self.asked.append(question(target))
        return super().respond(target, headers)


def question(url: str) -> str:
    """A request without where it goes and without the key."""
    parts = urlsplit(url)
    parameters = sorted(it for it in parse_qsl(parts.query) if it[1] != "sample")
    return f"{parts.path} {parameters}"


@dataclass(frozen=True)
class Kill:
    """When a command is killed: so many calls or seconds after it began, or after its words."""

    command: str
    calls: int = 0
    seconds: float = 0.0
    after: str = ""

    def __str__(self) -> str:
        calls = f"at its call {self.calls}" if self.calls else ""
        seconds = f"{self.seconds:.2f} s after {self.after!r}" if self.after else ""
        return f"{self.command} {calls or seconds or f'after {self.seconds:.2f} s'}"


@dataclass
class WholePath:
    """One home and one database, filled by the commands."""

    home: Path
    database: str
    api: Api
    kills: list[Kill] = field(default_factory=list)
    """Those that came before their command's end."""

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
        self.home.mkdir(parents=True, exist_ok=True)
        profiles = (PROJECT / "profiles.yml.example").read_text(encoding="utf-8")
        (self.home / "profiles.yml").write_text(profiles, encoding="utf-8")

    def run(self, command: str, kill: Kill | None = None) -> bool:
        """Whether the command came to its end, which must be a good one."""
        said = self.home / "said.txt"
        asked = len(self.api.asked)
        with said.open("w") as output:
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
                if kill and self._is_due(kill, asked, began, said):
                    with suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)
                    break
                time.sleep(0.002)
            code = process.wait()
        if kill and code == -signal.SIGKILL:
            self.kills.append(kill)
            return False
        assert code == 0, f"{command}: {said.read_text()[-3000:]}"
        return True

    def _is_due(self, kill: Kill, asked: int, began: float, said: Path) -> bool:
        if kill.calls:
            return len(self.api.asked) - asked >= kill.calls
        if kill.after:
            if kill.after not in said.read_text(errors="replace"):
                return False
            time.sleep(kill.seconds)
            return True
        return time.monotonic() - began >= kill.seconds

    def kept(self) -> set[str]:
        """The questions whose answers are in raw."""
        raw = self.home / "lake" / "raw"
        found = set()
        for meta in raw.rglob(f"*{META}"):
            found.add(question(orjson.loads(meta.read_bytes())["request"]["url"]))
        return found

    def contents(self) -> dict[str, Any]:
        """All that is there, but for what tells when it came."""
        return self.raw() | self.staged() | self.warehouse() | self.rds()

    def raw(self) -> dict[str, Any]:
        raw = self.home / "lake" / "raw"
        return {
            f"raw {file.relative_to(raw)}": _without_time(file)
            for file in raw.rglob("*")
            if file.is_file()
        }

    def staged(self) -> dict[str, Any]:
        lake = self.home / "lake"
        return {
            str(file.relative_to(lake)): sha256(file.read_bytes()).hexdigest()
            for top in ("stage", "rejected")
            for file in (lake / top).rglob("*")
            if file.is_file() and "stage/runs" not in str(file)
        }

    def warehouse(self) -> dict[str, Any]:
        with duckdb.connect(str(self.home / "warehouse.duckdb"), read_only=True) as warehouse:
            tables = warehouse.execute(
                "select table_schema, table_name from information_schema.tables"
                " where table_type = 'BASE TABLE' and table_name not like '\\_dlt%' escape '\\'"
                " and table_schema not like '%\\_staging' escape '\\'"
                " and table_schema <> 'staging_runs'"  # where each run tells of itself
            ).fetchall()
            return {
                f"{schema}.{table}": rows_of(warehouse, f'"{schema}"."{table}"')
                for schema, table in tables
            }

    def steps_told_twice(self) -> list[tuple[Any, ...]]:
        """Of the history of runs, which differs from an undisturbed one."""
        with duckdb.connect(str(self.home / "warehouse.duckdb"), read_only=True) as warehouse:
            return warehouse.execute(
                "select step_id from staging_runs.steps group by step_id having count(*) > 1"
            ).fetchall()

    def rds(self) -> dict[str, Any]:
        with closing(psycopg2.connect(self.database)) as connection, connection.cursor() as cursor:
            cursor.execute(
                "select table_name from information_schema.tables where table_schema = 'public'"
            )
            names = sorted(name for (name,) in cursor.fetchall() if name != "export_log")
            found = {}
            for name in names:
                cursor.execute(f'select t::text from "{name}" as t order by 1')
                found[f"rds {name}"] = cursor.fetchall()
            return found


def rows_of(warehouse: duckdb.DuckDBPyConnection, relation: str) -> list[tuple[Any, ...]]:
    """In order, without what tells of the run that wrote them."""
    names = [name for name, *_ in warehouse.execute(f"describe {relation}").fetchall()]
    columns = ", ".join(f'"{name}"' for name in names if name not in OF_A_RUN)
    return warehouse.execute(f"select {columns} from {relation} order by all").fetchall()


def _without_time(file: Path) -> Any:
    if file.name == "_complete.json":
        return [page | {"answered_at": ""} for page in orjson.loads(file.read_bytes())]
    if file.name.endswith(META):
        meta = orjson.loads(file.read_bytes())
        return meta | {"answered_at": "", "request": question(meta["request"]["url"])}
    return sha256(file.read_bytes()).hexdigest()


@dataclass(frozen=True)
class Undisturbed:
    """What a run comes to that nothing disturbs, and how long each command took."""

    contents: dict[str, Any]
    calls: dict[str, int]
    seconds: dict[str, float]


def undisturbed(home: Path, database: str) -> Undisturbed:
    calls, seconds = {}, {}
    with Api(today=TODAY) as api:
        path = WholePath(home, database, api)
        path.prepare()
        for command in COMMANDS:
            asked, began = len(api.asked), time.monotonic()
            assert path.run(command)
            calls[command] = len(api.asked) - asked
            seconds[command] = time.monotonic() - began
        return Undisturbed(path.contents(), calls, seconds)


def next_kill(chance: random.Random, command: str, usual: Undisturbed) -> Kill:
    """Anywhere: while it asks, while it writes, while dbt builds, while it exports."""
    if command == "build":
        if chance.random() < 0.5:
            return Kill(command, seconds=chance.uniform(0, 1.2), after="Finished running")
        return Kill(command, seconds=chance.uniform(0.5, usual.seconds[command]))
    if chance.random() < 0.5:
        return Kill(command, calls=chance.randint(1, usual.calls[command]))
    return Kill(command, seconds=chance.uniform(0.5, usual.seconds[command]))


def disturbed(
    home: Path, database: str, usual: Undisturbed, kills_of_each: int, seed: int
) -> list[Kill]:
    """Kills each command so many times, or until it came to its end before its kill, and lets it
    finish. Nothing may be lost, doubled, or asked for again. Returns the kills."""
    chance = random.Random(seed)
    with Api(today=TODAY) as api:
        path = WholePath(home, database, api)
        path.prepare()
        for command in COMMANDS:
            for _ in range(kills_of_each):
                kept, asked = path.kept(), len(api.asked)
                path.run(command, next_kill(chance, command, usual))
                assert kept.isdisjoint(api.asked[asked:])
            kept, asked = path.kept(), len(api.asked)
            assert path.run(command)
            assert kept.isdisjoint(api.asked[asked:])
        found = path.contents()
        assert path.steps_told_twice() == []
    different = [it for it in usual.contents | found if usual.contents.get(it) != found.get(it)]
    assert different == [], (seed, [str(it) for it in path.kills], different[:20])
    return path.kills
