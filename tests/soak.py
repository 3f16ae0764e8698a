"""The whole path killed a hundred times: `make soak`, or `python tests/soak.py [kills [seed]]`.

Each round is a home and a database of their own, killed on its way and let finish; its seed is
printed, and `python tests/soak.py 1 SEED` does that round again.
"""

import os
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path
from time import monotonic

from support.kills import disturbed, undisturbed
from support.small_project import new_database, postgres

KILLS_OF_EACH = 5
"""Of each command, in a round."""


def main(kills: int, seed: int | None) -> None:
    for name in list(os.environ):  # settings of who runs it
        if name.startswith(
            ("SOURCES__", "LAKE__", "AWS_", "DESTINATION__", "HELLO_KOREA_", "DBT_")
        ):
            del os.environ[name]
    os.environ["RUNTIME__REQUEST_BACKOFF_FACTOR"] = "0.01"
    began, killed = monotonic(), Counter[str]()
    with tempfile.TemporaryDirectory() as folder, postgres(Path(folder) / "postgres") as server:
        usual = undisturbed(Path(folder) / "usual", new_database(server, "usual"))
        calls = sum(usual.calls.values())
        print(f"undisturbed: {len(usual.contents):,} files and tables, {calls} calls", flush=True)
        while killed.total() < kills:
            chosen = random.randrange(10**9) if seed is None else seed
            name = f"round_{chosen}"
            home, database = Path(folder) / name, new_database(server, name)
            came = Counter(
                it.command for it in disturbed(home, database, usual, KILLS_OF_EACH, chosen)
            )
            killed += came
            told = ", ".join(f"{count} of {command}" for command, count in came.items())
            print(f"seed {chosen}: {came.total()} kills, {told}; as undisturbed", flush=True)
    told = ", ".join(f"{count} of {command}" for command, count in killed.items())
    print(f"{killed.total()} kills ({told}) in {(monotonic() - began) / 60:.0f} min:")
    print("nothing lost, nothing doubled, no answer that was kept asked for again")


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:]]
    main(numbers[0] if numbers else 100, numbers[1] if len(numbers) > 1 else None)
