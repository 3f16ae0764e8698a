"""Tell people of problems, and when they are over, through the Apprise URLs of `NOTIFY__URLS`.

`<home>/notified.json` has the problems that were told of and are not over, so that a cause is told
of once, however many tables it stops and however often a command is repeated.
"""

import fcntl
import json
import logging
import os
import re
import socket
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from loaders import settings
from loaders.errors import one_line
from loaders.files import replace_file

STATE = "notified.json"
LONGEST_REASON = 500
"""Characters of a reason in a message. `dlt pipeline status` has all of it."""

Open = dict[str, dict[str, Any]]
"""By cause: what it is `about` (a list), `since` when, its `reason` and the `phase` that failed."""


@dataclass(frozen=True)
class Problem:
    """Something that somebody should know."""

    kind: str
    """`failed`, `warning`, `held back` or `late`."""
    about: str
    """What it concerns, such as `tour.places`, `rds.fares` or `dbt.<node>`."""
    reason: str
    remedy: str
    day: date | None = None
    phase: str = ""
    """The phase of a table that failed. Other phases do not show that it works again."""

    @property
    def cause(self) -> str:
        """The kind and the reason without what differs between tables and repetitions: the place
        in front of it, and numbers."""
        reason = re.sub(r"^\d+ of \d+ details failed, the last ", "", one_line(self.reason))
        reason = re.sub(r"^(\S+: )+", "", reason)
        return f"{self.kind}: {re.sub(r'[0-9]+', '#', reason)}"


def urls() -> tuple[str, ...]:
    """Return the Apprise URLs, if any. Raise SettingError for one that Apprise does not know."""
    text = settings.read("notify.urls", "", str, "", secret=True)
    found = tuple(filter(None, re.split(r"[,\s]+", text)))
    for number, url in enumerate(found, start=1):
        if not _apprise().add(url):
            raise settings.SettingError(
                "NOTIFY__URLS",
                "(not shown)",
                f"expected Apprise URLs between commas, such as mailto://user:password@host, but"
                f" number {number} is not one",
            )
    return found


def tell(
    problems: Iterable[Problem],
    is_covered: Callable[[str], bool],
    log: str,
    phases: Collection[str] = (),
) -> list[str]:
    """Send one message of the causes that are new, and one of those that are over.

    `is_covered` says whether the command would have found a problem that is about something, so
    that what it does not report is over; `phases` are those that it ran, if not all. `log` says
    where the command's log is. Return a line for each URL that could not be told; a cause stays new
    until somebody was. Raise SettingError.
    """
    addresses = urls()
    if not addresses:
        return []
    with _alone():
        return _tell(addresses, list(problems), is_covered, log, phases)


def _tell(
    addresses: tuple[str, ...],
    problems: list[Problem],
    is_covered: Callable[[str], bool],
    log: str,
    phases: Collection[str],
) -> list[str]:
    before = _read()
    after, new, over = compare(before, problems, is_covered, phases)
    where = f"log: {log} on {socket.gethostname()}"
    messages = []
    if new:
        lines = [line for group in new for line in _described(group)]
        messages.append((_title(new), "\n".join([*lines, where])))
    if over:
        lines = [f"{', '.join(each['about'])}: {each['reason']}" for each in over]
        messages.append(("Hello Korea: works again", "\n".join(["No longer:", *lines, where])))
    failed = [line for title, body in messages for line in _send(addresses, title, body)]
    if messages and len(failed) == len(messages) * len(addresses):
        return failed  # nobody was told: the next command tries again
    _write(after)
    return failed


def compare(
    before: Open,
    problems: list[Problem],
    is_covered: Callable[[str], bool],
    phases: Collection[str] = (),
) -> tuple[Open, list[list[Problem]], list[dict[str, Any]]]:
    """Return the causes that are open now, the problems of each new one, and those that are over.

    A cause is new again if it stops another source.
    """
    by_cause: dict[str, list[Problem]] = {}
    for problem in problems:
        by_cause.setdefault(problem.cause, []).append(problem)
    after: Open = {}
    over = []
    for cause, known in before.items():
        found = {problem.about for problem in by_cause.get(cause, [])}
        phase = known.get("phase")
        is_of_other_phase = bool(phase and phases and phase not in phases)
        about = [
            each
            for each in known["about"]
            if each in found or is_of_other_phase or not is_covered(each)
        ]
        if about:
            after[cause] = {**known, "about": about}
        else:
            over.append(known)
    new = []
    now = datetime.now(settings.KST).isoformat(timespec="seconds")
    for cause, group in by_cause.items():
        described = {"reason": _short(group[0].reason), "phase": group[0].phase}
        known = after.get(cause, {"about": [], "since": now, **described})
        sources = {source_of(each) for each in known["about"]}
        if any(source_of(problem.about) not in sources for problem in group):
            new.append(group)
        about = sorted({*known["about"], *(problem.about for problem in group)})
        after[cause] = {**known, "about": about}
    over = [each for each in over if not any(set(each["about"]) & _abouts(g) for g in new)]
    return after, new, over


def source_of(about: str) -> str:
    """Return the source of a table. A mart, or a node of dbt, stands for itself."""
    source, _, _ = about.partition(".")
    return about if source in ("rds", "dbt") else source


def has_failed(asset: str) -> bool:
    """Return whether somebody was told of a failure in the source of an asset, such as
    `raw/tour`."""
    source = asset.rpartition("/")[2]
    return any(
        cause.startswith("failed: ") and source in re.split(r"[^\w]+", " ".join(known["about"]))
        for cause, known in _read().items()
    )


def log_place(otherwise: str) -> str:
    """Return where the log of this process is: the journal if systemd started it."""
    unit = os.environ.get("INVOCATION_ID")
    return f"journalctl _SYSTEMD_INVOCATION_ID={unit}" if unit else otherwise


def _abouts(group: list[Problem]) -> set[str]:
    return {problem.about for problem in group}


def _title(new: list[list[Problem]]) -> str:
    kinds = dict.fromkeys(group[0].kind for group in new)
    sources = dict.fromkeys(source_of(problem.about) for group in new for problem in group)
    return f"Hello Korea: {', '.join(kinds)}: {', '.join(sources)}"


def _described(group: list[Problem]) -> list[str]:
    """Return the lines of a cause: what, of which date, why, and what to do."""
    first = group[0]
    days = sorted({str(problem.day) for problem in group if problem.day})
    of_days = f" of {days[0]}{f'..{days[-1]}' * (len(days) > 1)}" if days else ""
    remedies = dict.fromkeys(problem.remedy for problem in group)
    return [
        f"{first.kind.upper()}: {', '.join(sorted(_abouts(group)))}{of_days}:"
        f" {_short(first.reason)}",
        f"  remedy: {'; '.join(remedies)}",
    ]


def _short(reason: str) -> str:
    text = one_line(reason)
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]}…"


def _send(addresses: Iterable[str], title: str, body: str) -> list[str]:
    """Send a message to each URL. Return a line without the URL for each that failed."""
    failed = []
    for number, url in enumerate(addresses, start=1):
        service = _apprise()
        service.add(url)
        if not service.notify(body=body, title=title):
            kind = url.partition("://")[0]
            failed.append(f"nobody was told through number {number} of NOTIFY__URLS ({kind})")
    return failed


def _apprise() -> Any:
    from apprise import Apprise  # takes a moment, and most commands tell nobody

    # It logs addresses, of which some contain a secret in their path.
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    return Apprise()


def _file() -> Path:
    return settings.home() / STATE


@contextmanager
def _alone() -> Iterator[None]:
    """Wait until no other process tells, so that two with one cause do not both tell of it."""
    with _file().with_suffix(".lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _read() -> Open:
    file = _file()
    content: Open = json.loads(file.read_bytes()) if file.is_file() else {}
    return content


def _write(state: Open) -> None:
    replace_file(_file(), (json.dumps(state, indent=2, ensure_ascii=False) + "\n").encode())
