"""Worker threads that run the lists of a kernel side by side.

NumPy lets go of the interpreter inside every call, so two threads keep two cores busy. A worker
that needs another's result spins on its progress counter, giving way at every turn.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread

import numpy as np

from neuronc.runtime.schedule import Item

Thunk = Callable[[], object]

SPINS = 50
"""Turns before a waiting worker naps: on a busy machine the other one needs the core."""
NAP_SECONDS = 5e-5


class Lists:
    """One call site's lists, bound: waits and progress marks stand between the calls."""

    def __init__(self, items: Sequence[Sequence[Item]], calls: Sequence[Thunk]) -> None:
        self._progress = [0] * len(items)
        awaited = {pair for items_ in items for item in items_ for pair in item.waits}
        self.lists = [self._bind(w, list_, calls, awaited) for w, list_ in enumerate(items)]
        self.failed: list[BaseException] = []

    def _bind(
        self,
        worker: int,
        items: Sequence[Item],
        calls: Sequence[Thunk],
        awaited: set[tuple[int, int]],
    ) -> list[Thunk]:
        out: list[Thunk] = []
        for number, item in enumerate(items, 1):
            out += [self._wait(other, count) for other, count in item.waits]
            out.append(calls[item.position])
            if (worker, number) in awaited:
                out.append(self._mark(worker, number))
        return out

    def _wait(self, other: int, count: int) -> Thunk:
        progress = self._progress

        def wait() -> None:
            turns = 0
            while progress[other] < count:
                if self.failed:
                    raise self.failed[0]
                turns += 1
                time.sleep(0 if turns < SPINS else NAP_SECONDS)

        return wait

    def _mark(self, worker: int, number: int) -> Thunk:
        progress = self._progress

        def mark() -> None:
            progress[worker] = number

        return mark

    def reset(self) -> None:
        """Make ready for another run."""
        self.failed.clear()
        self._progress[:] = [0] * len(self._progress)

    def run(self, worker: int) -> None:
        """Run one list; a failure stops the others too."""
        try:
            for thunk in self.lists[worker]:
                thunk()
        except BaseException as error:
            self.failed.append(error)
            raise


class Team:
    """The threads beside the caller's own; started at first use, ended with the program."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._jobs: list[SimpleQueue[Lists]] = []
        self._done: SimpleQueue[None] = SimpleQueue()

    def run(self, lists: Lists) -> None:
        """Run all lists to their end.

        Raises:
            BaseException: the first failure of any worker.
        """
        if len(lists.lists) == 1:
            for thunk in lists.lists[0]:
                thunk()
            return
        if not self._jobs:
            self._start()
        lists.reset()
        for jobs in self._jobs:
            jobs.put(lists)
        try:
            lists.run(0)
        finally:
            for _ in self._jobs:
                self._done.get()
        if lists.failed:
            raise lists.failed[0]

    def _start(self) -> None:
        for worker in range(1, self.workers):
            jobs: SimpleQueue[Lists] = SimpleQueue()
            self._jobs.append(jobs)
            Thread(target=self._serve, args=(worker, jobs), daemon=True).start()

    def _serve(self, worker: int, jobs: SimpleQueue[Lists]) -> None:
        with np.errstate(all="ignore"):
            while True:
                lists = jobs.get()
                # The caller raises what went wrong from `failed`.
                with suppress(BaseException):
                    lists.run(worker)
                self._done.put(None)
