"""The engine for one machine: each core generates one part at a time."""

import os
import signal
from collections.abc import Generator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import get_context

from loaders.lake.lake import open_lake
from loaders.web_logs import files
from loaders.web_logs.config import LogsConfig
from loaders.web_logs.files import Part

MIN_CLICKS_FOR_PROCESSES = 2_000_000
"""Fewer clicks are generated before other processes have started."""


def generate(config: LogsConfig, lake_url: str, parts: list[Part]) -> Generator[Part]:
    """Generate the parts and yield each one when it is in the lake. Raise OSError.

    When the generator is closed or fails, the parts in progress are finished and no other is
    started.
    """
    clicks = sum(len(config.ids_of_part("clicks", part.day, part.number)) for part in parts)
    if clicks < MIN_CLICKS_FOR_PROCESSES:
        lake = open_lake(lake_url)
        for part in parts:
            files.generate(lake, config, part)
            yield part
    else:
        yield from _generate_in_processes(config, lake_url, parts)


def _generate_in_processes(config: LogsConfig, lake_url: str, parts: list[Part]) -> Generator[Part]:
    cores = len(os.sched_getaffinity(0))
    # Ctrl-C reaches every process; only this one handles it.
    ignore_interrupts = partial(signal.signal, signal.SIGINT, signal.SIG_IGN)
    with ProcessPoolExecutor(cores, get_context("spawn"), ignore_interrupts) as processes:
        try:
            tasks = {
                processes.submit(_generate_part, config, lake_url, part): part for part in parts
            }
            for task in as_completed(tasks):
                task.result()
                yield tasks[task]
        except BrokenProcessPool:
            raise ChildProcessError(
                "a process that generates logs was killed, perhaps for lack of memory:"
                " run it again for the rest"
            ) from None
        finally:
            processes.shutdown(cancel_futures=True)


def _generate_part(config: LogsConfig, lake_url: str, part: Part) -> None:
    files.generate(open_lake(lake_url), config, part)
