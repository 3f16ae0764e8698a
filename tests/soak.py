"""A hundred kills on the way from the APIs to the website's database.

`make soak`, or `python tests/soak.py [kills [seed]]`. Each round has a new home and a new database,
kills every command, and lets it finish. It prints its seed; `python tests/soak.py 1 SEED` repeats
it.
"""

import os
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path
from time import monotonic

from support.kills import run_undisturbed, run_with_kills
from support.project import SETTINGS
from support.small_project import new_database, postgres

KILLS_PER_COMMAND = 5
"""Kills of each command in a round."""


def main(kills: int, seed: int | None) -> None:
    for name in list(os.environ):  # the user's own settings
        if name.startswith(SETTINGS):
            del os.environ[name]
    os.environ["RUNTIME__REQUEST_BACKOFF_FACTOR"] = "0.01"
    began, killed = monotonic(), Counter[str]()
    with tempfile.TemporaryDirectory() as folder, postgres(Path(folder) / "postgres") as server:
        baseline = run_undisturbed(
            Path(folder) / "undisturbed", new_database(server, "undisturbed")
        )
        calls = sum(baseline.calls.values())
        print(
            f"undisturbed: {len(baseline.contents):,} files and tables, {calls} calls", flush=True
        )
        while killed.total() < kills:
            round_seed = random.randrange(10**9) if seed is None else seed
            name = f"round_{round_seed}"
            home, database = Path(folder) / name, new_database(server, name)
            kills_of_round = Counter(
                kill.command
                for kill in run_with_kills(home, database, baseline, KILLS_PER_COMMAND, round_seed)
            )
            killed += kills_of_round
            print(
                f"seed {round_seed}: {kills_of_round.total()} kills, {by_command(kills_of_round)};"
                " as undisturbed",
                flush=True,
            )
    minutes = (monotonic() - began) / 60
    print(f"{killed.total()} kills ({by_command(killed)}) in {minutes:.0f} min:")
    print("nothing lost, nothing duplicated, no kept response requested again")


def by_command(kills: Counter[str]) -> str:
    return ", ".join(f"{count} of {command}" for command, count in kills.items())


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:]]
    main(numbers[0] if numbers else 100, numbers[1] if len(numbers) > 1 else None)
