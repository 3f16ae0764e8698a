"""Precision and recall of the matching rules, on records of the real APIs.

`make score`, or `python tests/score.py [rule …] [--home FOLDER] [--wrong]`. It loads the recorded
responses of the folder RECORDINGS through the pipelines, builds the models on DuckDB, and compares
what they found with `tests/labelled/<rule>.csv`. A kept home is loaded once: a second run with it
makes no call and only builds the models again.

A row of a labelled file has an `id`, the `expected` counterpart or value, whether they are a match
(`is_match`), and the `reason`. A non-match without `expected` says that the record has no
counterpart at all.
"""

import argparse
import csv
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import duckdb
from support.project import PROJECT, RECORDINGS, SETTINGS

from loaders.sample_api import SampleApi

LABELLED = PROJECT / "tests" / "labelled"
BIN = Path(sys.executable).parent
LOAD_SETTINGS = {
    "HELLO_KOREA_TODAY": "2025-11-21",  # the day the performances were recorded
    "SOURCES__ENABLED": "tour,kopis,seoul",
    "SOURCES__KOPIS__REGION": "all",
    "SOURCES__KOPIS__DAYS_AHEAD": "400",
    "SOURCES__KOPIS__DAILY_ALLOWANCE": "10000",
    "RDS__TARGETS": "none",
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "RUNTIME__REQUEST_BACKOFF_FACTOR": "0.01",
}


@dataclass(frozen=True)
class Rule:
    """A rule of the models. Its labels are in `tests/labelled/<name>.csv`."""

    name: str
    found: str
    """Query of the warehouse: (id, counterpart or value) of what the models found."""
    has_many: bool = False
    """Whether a record may have several counterparts. The query gives pairs in both directions."""


RULES = (
    Rule(
        # Records of TourAPI in another language, and their Korean records.
        "twins",
        """
        select language_code || '-' || content_id, place_id
        from intermediate.int_tour_records_matched
        where not is_leading
        """,
    ),
    Rule(
        # Stays of TourAPI and licences, and licences of one lodging.
        "lodgings",
        """
        select records.record_id, others.record_id
        from intermediate.int_lodging_records_matched as records
        inner join intermediate.int_lodging_records_matched as others
            on records.lodging_id = others.lodging_id and records.record_id <> others.record_id
        """,
        has_many=True,
    ),
    Rule(
        # Records of one event, in different sources or twice in the city's list.
        "events",
        """
        select records.record_id, others.record_id
        from intermediate.int_event_records_matched as records
        inner join intermediate.int_event_records_matched as others
            on records.event_id = others.event_id and records.record_id <> others.record_id
        """,
        has_many=True,
    ),
    Rule(
        # Cultural events of Seoul, and the names of their venues.
        "venues",
        """
        select events.event_code, venues.name_ko
        from intermediate.int_seoul_events_assigned_to_venues as events
        inner join intermediate.int_venues_placed as venues on events.venue_id = venues.venue_id
        """,
    ),
    Rule(
        # Events, and the lowest and the highest price of their texts.
        "prices",
        """
        select
            event_id,
            coalesce(
                cast(cast(min_price_krw as integer) as varchar)
                || '-' || cast(cast(max_price_krw as integer) as varchar),
                'none'
            )
        from intermediate.int_event_records_unioned
        """,
    ),
)


@dataclass(frozen=True)
class Label:
    id: str
    expected: str
    is_match: bool
    reason: str


@dataclass(frozen=True)
class Score:
    """How a rule's finds agree with its labels."""

    rule: str
    labels: int
    right: int
    wrong: tuple[str, ...]
    missed: tuple[str, ...]

    @property
    def precision(self) -> float:
        """Share of the finds about labelled records that are right."""
        found = self.right + len(self.wrong)
        return self.right / found if found else 1.0

    @property
    def recall(self) -> float:
        """Share of the labelled matches that were found."""
        matches = self.right + len(self.missed)
        return self.right / matches if matches else 1.0


def read_labels(rule: Rule) -> list[Label]:
    with (LABELLED / f"{rule.name}.csv").open(encoding="utf-8", newline="") as file:
        return [
            Label(row["id"], row["expected"], row["is_match"] == "true", row["reason"])
            for row in csv.DictReader(file)
        ]


def score(rule: Rule, labels: Iterable[Label], found: set[tuple[str, str]]) -> Score:
    """Compare the finds of a rule with its labels. Finds about unlabelled records do not count."""
    labels = list(labels)
    matches = {(label.id, label.expected) for label in labels if label.is_match}
    non_matches = {(label.id, label.expected) for label in labels if not label.is_match}
    found_of_id = defaultdict(set)
    for id_, value in found:
        found_of_id[id_].add(value)
    wrong = set()
    for id_, expected in non_matches:
        wrong |= {(id_, value) for value in found_of_id[id_] if value == expected or not expected}
    if not rule.has_many:
        for id_, _ in matches:
            wrong |= {(id_, value) for value in found_of_id[id_]}
    wrong -= matches
    reasons = {(label.id, label.expected): label.reason for label in labels}

    def lines(pairs: set[tuple[str, str]]) -> tuple[str, ...]:
        return tuple(
            f"{id_} = {value} ({reasons.get((id_, value), 'labelled otherwise')})"
            for id_, value in sorted(pairs)
        )

    return Score(rule.name, len(labels), len(matches & found), lines(wrong), lines(matches - found))


def build(home: Path, profiles: Path) -> None:
    """Load the recordings into the home and build the models.

    Raise `subprocess.CalledProcessError` if a command fails.
    """
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(SETTINGS)
    }
    with SampleApi(recordings=RECORDINGS) as api:
        for source, url in api.base_urls().items():
            environment[f"SOURCES__{source.upper()}__BASE_URL"] = url
            environment[f"SOURCES__{source.upper()}__SERVICE_KEY"] = "sample"
        environment |= LOAD_SETTINGS | {
            "HELLO_KOREA_HOME": str(home),
            "DLT_PROJECT_DIR": str(home),  # not the user's settings
            "DBT_PROFILES_DIR": str(profiles),
            "DBT_TARGET_PATH": str(home / "target"),
        }
        for command in (
            ("dlt", "pipeline", "run"),
            ("dbt", "build", "--quiet", "--exclude-resource-type", "test", "unit_test"),
        ):
            subprocess.run(
                [BIN / command[0], *command[1:]],
                cwd=PROJECT,
                env=environment,
                check=True,
                capture_output=True,
                text=True,
            )


def scores(home: Path, rules: Iterable[Rule] = RULES) -> list[Score]:
    """Compare the models of a home with the labels of the rules."""
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as warehouse:
        return [
            score(
                rule,
                read_labels(rule),
                {(str(id_), str(value)) for id_, value in warehouse.sql(rule.found).fetchall()},
            )
            for rule in rules
        ]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python tests/score.py", description=__doc__)
    parser.add_argument("rules", nargs="*", metavar="rule", help="only these rules")
    parser.add_argument("--home", type=Path, help="keep the loaded recordings in this folder")
    parser.add_argument("--wrong", action="store_true", help="list what is wrong or missed")
    options = parser.parse_args()
    names = [rule.name for rule in RULES]
    unknown = [name for name in options.rules if name not in names]
    if unknown:
        print(f"rule is {unknown[0]!r}: expected one of {', '.join(names)}", file=sys.stderr)
        return 2
    if not RECORDINGS.is_dir():
        print(f"nothing to score: no recorded responses at {RECORDINGS} (set RECORDINGS)")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        profiles = Path(folder) / "profiles"
        profiles.mkdir()
        (profiles / "profiles.yml").write_bytes((PROJECT / "profiles.yml.example").read_bytes())
        home = (options.home or Path(folder) / "home").absolute()
        try:
            build(home, profiles)
        except subprocess.CalledProcessError as error:
            print((error.stdout + error.stderr)[-3000:], file=sys.stderr)
            return 1
        rules = [rule for rule in RULES if not options.rules or rule.name in options.rules]
        print(f"{'rule':<12}{'labels':>8}{'right':>8}{'wrong':>8}{'missed':>8}", end="")
        print(f"{'precision':>12}{'recall':>9}")
        for result in scores(home, rules):
            print(
                f"{result.rule:<12}{result.labels:>8}{result.right:>8}{len(result.wrong):>8}"
                f"{len(result.missed):>8}{result.precision:>12.1%}{result.recall:>9.1%}"
            )
            if options.wrong:
                for line in result.wrong:
                    print(f"  wrong: {line}")
                for line in result.missed:
                    print(f"  missed: {line}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
