"""The engine for one machine: every core makes a part at a time."""

import os
import signal
from collections.abc import Generator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import get_context

from loaders.lake.lake import open_lake
from loaders.web_logs import files
from loaders.web_logs.files import Unit
from loaders.web_logs.logs import Logs

WORTH_A_PROCESS = 2_000_000
"""Clicks. Fewer are made before other processes have begun."""


def made(logs: Logs, lake_url: str, units: list[Unit]) -> Generator[Unit]:
    """Makes the units and yields each when it is in the lake. Raises OSError.

    When it is closed or fails, the units under way are ended and no other is begun.
    """
    clicks = sum(len(logs.ids_of_part("clicks", unit.on, unit.part)) for unit in units)
    if clicks < WORTH_A_PROCESS:
        lake = open_lake(lake_url)
        for unit in units:
            files.write(lake, logs, unit)
            yield unit
        return
    cores = len(os.sched_getaffinity(0))
    # Ctrl-C reaches every process; this one alone decides what it means.
    ignore = partial(signal.signal, signal.SIGINT, signal.SIG_IGN)
    with ProcessPoolExecutor(cores, get_context("spawn"), ignore) as processes:
        try:
            tasks = {processes.submit(_write, logs, lake_url, unit): unit for unit in units}
            for task in as_completed(tasks):
                task.result()
                yield tasks[task]
        except BrokenProcessPool:
            raise ChildProcessError(
                "a process that makes logs was killed, as where there is not enough memory:"
                " run it again for the rest"
            ) from None
        finally:
            processes.shutdown(cancel_futures=True)


def _write(logs: Logs, lake_url: str, unit: Unit) -> None:
    files.write(open_lake(lake_url), logs, unit)
