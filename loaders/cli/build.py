"""Run `dbt build` as `make run` shows it: `python -m loaders.cli.build`.

It prints how far the build is, each warning and failure in full, and at the end a line per layer.
The exit code is dbt's. `dbt build` prints a line per model and test.
"""

import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bars

from loaders import settings
from loaders.cli.display import console, print_plain

LAYERS = (
    *("seeds", "staging", "intermediate", "star", "snapshots", "frequent", "serving"),
    "tests of several layers",
)
SECONDS_BETWEEN_LINES = 10.0
WORDS = {"success": "built", "pass": "passed", "warn": "warned", "fail": "failed"}
"""What the lines say for dbt's states of a node."""


def main() -> int:
    """Return dbt's exit code."""
    output = console()
    dbt = Path(sys.executable).with_name("dbt")
    options = ("--log-format", "json", "--log-format-file", "debug")
    began_at = time.time()
    with subprocess.Popen(
        [str(dbt), "build", *options], cwd=settings.PROJECT, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        try:
            show(output, process.stdout)
        except KeyboardInterrupt:  # dbt gets it too, and cancels its queries
            print_plain(output, (line.decode().rstrip() for line in process.stdout))
    results = settings.dbt_artifacts() / "run_results.json"
    if results.is_file() and results.stat().st_mtime > began_at:
        manifest = settings.dbt_artifacts() / "manifest.json"
        lines = layer_lines(orjson.loads(results.read_bytes()), orjson.loads(manifest.read_bytes()))
        print_plain(output, lines)
    return process.returncode


def show(output: Console, lines: Iterable[bytes]) -> None:
    """Show the events of dbt: the progress, and the text of each warning, failure and note."""
    done, printed_at = set(), time.monotonic()
    bars = Bars(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("models and tests"),
        console=output,
        disable=not output.is_terminal,
    )
    with bars:
        bar = bars.add_task("dbt build", total=None)
        for line in lines:
            event = read_event(line)
            info, data = event["info"], event.get("data", {})
            if info["level"] in ("warn", "error") or is_note(info):
                print_plain(output, [info["msg"]])
            node = data.get("node_info", {}).get("unique_id")
            total = data.get("total") or data.get("num_models")  # of a model, and of a test
            is_end = not re.match("LogStartLine|LogHook", info["name"])
            if not (node and total and is_end):
                continue
            done.add(node)
            bars.update(bar, completed=len(done), total=total)
            if not output.is_terminal and time.monotonic() - printed_at > SECONDS_BETWEEN_LINES:
                printed_at = time.monotonic()
                print_plain(output, [f"dbt build: {len(done):,} of {total:,} models and tests"])


def read_event(line: bytes) -> dict[str, Any]:
    """Return dbt's event. A line that is none, such as a print of a macro, is an error's text."""
    try:
        event = orjson.loads(line)
    except orjson.JSONDecodeError:
        event = None
    if isinstance(event, dict) and "info" in event:
        return event
    return {"info": {"name": "", "level": "error", "msg": line.decode(errors="replace").rstrip()}}


def is_note(info: dict[str, str]) -> bool:
    """Return whether the event is a line of this project's plug-in, but not of a table: the summary
    has these."""
    return info["name"] == "Note" and bool(info["msg"].strip()) and info["msg"][0] != " "


def layer_lines(run_results: dict[str, Any], manifest: dict[str, Any]) -> list[str]:
    """Return a line per layer, with the number of nodes by kind and state, and its seconds."""
    counts: dict[str, Counter[str]] = {}
    seconds: Counter[str] = Counter()
    nodes = manifest["nodes"] | manifest["unit_tests"]
    for result in run_results["results"]:
        node = nodes.get(result["unique_id"])
        if node is None or node["resource_type"] == "operation":
            continue
        layer = layer_of(node, nodes)
        kind = "tests" if "test" in node["resource_type"] else "models"
        status = WORDS.get(result["status"], result["status"])
        counts.setdefault(layer, Counter())[f"{kind} {status}"] += 1
        seconds[layer] += result["execution_time"]
    return [
        f"{layer}: "
        + ", ".join(f"{count:,} {kind}" for kind, count in sorted(counts[layer].items()))
        + f", {seconds[layer]:.0f} s"
        for layer in LAYERS
        if layer in counts
    ]


def layer_of(node: dict[str, Any], nodes: dict[str, Any]) -> str:
    """Return the layer of a model, or of the model that a test is of."""
    match node["resource_type"]:
        case "seed":
            return "seeds"
        case "snapshot":
            return "snapshots"
        case "model":
            return str(node["fqn"][1])
        case "unit_test":
            model = node["depends_on"]["nodes"][0]
        case _:
            model = node.get("attached_node")
    return layer_of(nodes[model], nodes) if model in nodes else LAYERS[-1]


if __name__ == "__main__":
    sys.exit(main())
