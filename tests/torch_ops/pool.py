"""Workers that try units of a sweep. A unit may end its process: it is noted, the rest goes on."""

from __future__ import annotations

import faulthandler
import logging
import multiprocessing
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.torch_ops.journal import Journal, Row

CHUNK = 240
"""Units of one process: importing torch takes 5 s, and its caches grow."""
GROUP = 24
"""Units that are tried together, since most of the time of a small program is the same for all."""
SECONDS_MAX = 150
"""Of one unit, after which its process ends itself."""
SECONDS_MORE = 15
"""For each other unit of its group: on a busy machine, of gradients, which are tried one by one."""
Work = Callable[[Sequence[str]], dict[str, list[Row]]]


def sweep(
    units: Sequence[str], work: Work, died: Callable[[str], Row], journal: Journal,
    workers: int, seconds: float,
) -> None:  # fmt: skip
    """Do all units that the journal does not have, until the time is up.

    `work` is a function of a module, so that a new process finds it.
    """
    end = time.monotonic() + seconds
    done = journal.done()
    left = [u for u in units if u not in done]
    size = max(GROUP, min(CHUNK, -(-len(left) // workers)))
    chunks = [left[i : i + size] for i in range(0, len(left), size)]

    def run(chunk: Sequence[str]) -> None:
        group = GROUP
        while chunk and time.monotonic() < end:
            _run_process(chunk, group, work, journal, end)
            # What a process left open is tried one by one, until one is alone in what it does.
            chunk = [u for u in chunk if u not in journal.done()]
            lost = journal.open() & set(chunk)
            if len(lost) == 1 or (lost and group == 1):
                journal.finish(unit := lost.pop(), [died(unit)])
            group = 1 if lost else GROUP
            chunk = sorted(chunk, key=lambda u: u not in lost)

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(run, chunks))


def _run_process(
    chunk: Sequence[str], group: int, work: Work, journal: Journal, end: float
) -> None:
    left = end - time.monotonic()
    process = multiprocessing.get_context("spawn").Process(
        target=_each, args=(chunk, group, work, journal.path, left)
    )
    process.start()
    process.join()


def _each(chunk: Sequence[str], group: int, work: Work, path: Path, seconds: float) -> None:
    journal, end = Journal(path), time.monotonic() + seconds
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    for start in range(0, len(chunk), group):
        if time.monotonic() > end:
            return
        units = chunk[start : start + group]
        for unit in units:
            journal.begin(unit)
        seconds_max = SECONDS_MAX + SECONDS_MORE * (len(units) - 1)
        faulthandler.dump_traceback_later(seconds_max, exit=True)
        for unit, cells in work(units).items():
            journal.finish(unit, cells)
        faulthandler.cancel_dump_traceback_later()
