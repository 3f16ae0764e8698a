"""A first run of all sources at the distance of real APIs, compared with the least of polite use.

The sample API runs in a process of its own and waits before each response. Polite use has at most
`parallel_calls` of an API in flight, so the least is that of the API with the most calls: their
waits, divided by the calls at the same time, after the waits for the lists that name the details.
The usage logs, which need no API, do not count.

    python tests/bench/distance.py [seconds that the API waits]
"""

import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import orjson
import requests

from loaders.cli import commands
from loaders.pipeline.results import LAST_RUN
from loaders.sources import SOURCES
from loaders.sources.source import Source

PORT = 18765
URL = f"http://127.0.0.1:{PORT}"
MAX_RATIO = 1.3


def main() -> None:
    wait = float(sys.argv[1]) if len(sys.argv) > 1 else 0.2
    command = [sys.executable, "-m", "loaders.sample_api", "--port", str(PORT)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as api:
        try:
            assert api.stdout
            api.stdout.readline()
            fault = orjson.dumps({"operation": "*", "delay": wait})
            requests.post(f"{URL}/_sample/faults", fault, timeout=10).raise_for_status()
            seconds, calls = first_run()
        finally:
            api.terminate()
    least = {
        source.name: least_seconds(source, calls[source.name], wait) for source in SOURCES.values()
    }
    slowest = max(least, key=lambda name: least[name])
    print(f"\na first run with {calls.total():,} calls, {wait:g} s each")
    for name, one in sorted(least.items(), key=lambda item: -item[1]):
        print(f"  {f'the least for {name}':<28} {one:>7.2f} s")
    ratio = seconds / least[slowest]
    print(f"  {'the run':<28} {seconds:>7.2f} s: {ratio:.2f} of {slowest}'s (at most {MAX_RATIO})")


def first_run() -> tuple[float, Counter[str]]:
    """Return the seconds until the last load, and the calls of each source."""
    with tempfile.TemporaryDirectory() as home:
        os.environ["HELLO_KOREA_HOME"] = home
        for source in SOURCES:
            os.environ[f"SOURCES__{source.upper()}__BASE_URL"] = f"{URL}/{source}"
            os.environ[f"SOURCES__{source.upper()}__SERVICE_KEY"] = "sample"
        began = time.monotonic()
        code, message = commands.run(None, commands.RunArguments())
        assert code == 0, message
        results = orjson.loads((Path(home) / LAST_RUN).read_bytes())
    of_apis = [result for result in results if result["source"] in SOURCES]
    calls: Counter[str] = Counter()
    for result in of_apis:
        calls[result["source"]] += result["calls"]
    ended = max(end for result in of_apis for _, end in result["seconds"].values())
    return ended - began, calls


def least_seconds(source: Source, calls: int, wait: float) -> float:
    """Return the least seconds in which polite use makes the calls of a source."""
    full_minutes = (calls - 1) // source.calls_per_minute if source.calls_per_minute else 0
    has_details = any(table.details_of for table in source.tables)
    return max(calls * wait / source.parallel_calls, 60.0 * full_minutes) + wait * has_details


if __name__ == "__main__":
    main()
