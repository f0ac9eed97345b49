"""Worker threads that run the tasks of a kernel side by side.

NumPy lets go of the interpreter inside every call, so two threads keep two cores busy. Whoever is
done with a task goes on with the first one that waited for it, whose operands are in the cache of
its core, and keeps the others for later; who has none left takes those of another worker.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from heapq import heappop, heappush
from itertools import count
from queue import SimpleQueue
from threading import Thread
from weakref import finalize

import numpy as np

from neuronc.runtime.schedule import Task, followers_of

Thunk = Callable[[], object]

SPINS = 50
"""Turns before a waiting worker naps: on a busy machine the other one needs the core."""
NAP_SECONDS = 5e-5


class Tasks:
    """One call site's tasks, bound.

    What workers share is changed by single calls of C functions, which the interpreter's lock
    makes atomic. Counters go on from run to run, so that there is nothing to reset.
    """

    def __init__(self, tasks: Sequence[Task], calls: Sequence[Thunk], workers: int = 1) -> None:
        self.calls = [[calls[position] for position in task.positions] for task in tasks]
        self._counts = [len(task.before) for task in tasks]
        self._followers = followers_of(tasks)
        self._sources = [at for at, waits in enumerate(self._counts) if not waits]
        self._workers = workers
        self._rewind()

    def _rewind(self) -> None:
        self.failed: list[BaseException] = []
        self._arrivals = [count(1) for _ in self._counts]
        self._done = count(1)
        self._ready: list[list[int]] = [[] for _ in range(self._workers)]
        self._over = False

    def reset(self) -> None:
        """Make ready for another run."""
        if self.failed:
            self._rewind()
        self._ready[0][:] = self._sources
        self._over = False

    def run_alone(self) -> None:
        """Run all tasks in order."""
        for calls in self.calls:
            for call in calls:
                call()

    def run(self, worker: int = 0) -> None:
        """Take tasks until all are done; a failure stops the others too."""
        try:
            self._work(worker)
        except BaseException as error:
            self.failed.append(error)
            raise

    def _work(self, worker: int) -> None:
        task = self._take(worker)
        while task >= 0:
            for call in self.calls[task]:
                call()
            following = self._finish(task, worker)
            task = self._take(worker) if following < 0 else following

    def _take(self, worker: int) -> int:
        """The first task that is ready; -1 when there are no more, or another worker failed."""
        turns = 0
        while not (self._over or self.failed):
            for ready in (self._ready[worker], *self._ready):
                with suppress(IndexError):
                    return heappop(ready)
            turns += 1
            time.sleep(0 if turns < SPINS else NAP_SECONDS)
        return -1

    def _finish(self, task: int, worker: int) -> int:
        """Let those go that waited for this one last; the first of them is returned, or -1."""
        following = -1
        for follower in self._followers[task]:
            if next(self._arrivals[follower]) % self._counts[follower]:
                continue
            if following < 0:
                following = follower
            else:
                heappush(self._ready[worker], follower)
        if not next(self._done) % len(self.calls):
            self._over = True
        return following


class Team:
    """The caller's thread and those beside it, which start at first use and end with the team."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._jobs: list[SimpleQueue[Tasks | None]] = []
        self._done: SimpleQueue[None] = SimpleQueue()
        finalize(self, _dismiss, self._jobs)

    def run(self, tasks: Tasks) -> None:
        """Run all tasks to their end.

        Raises:
            BaseException: the first failure of any worker.
        """
        if not self._jobs:
            self._start()
        tasks.reset()
        for jobs in self._jobs:
            jobs.put(tasks)
        try:
            tasks.run()
        finally:
            for _ in self._jobs:
                self._done.get()
        if tasks.failed:
            raise tasks.failed[0]

    def _start(self) -> None:
        for worker in range(1, self.workers):
            jobs: SimpleQueue[Tasks | None] = SimpleQueue()
            self._jobs.append(jobs)
            Thread(target=_serve, args=(jobs, self._done, worker), daemon=True).start()


def _serve(jobs: SimpleQueue[Tasks | None], done: SimpleQueue[None], worker: int) -> None:
    """Run what comes; between two jobs hold on to neither, nor ever to the team."""
    with np.errstate(all="ignore"):
        while (tasks := jobs.get()) is not None:
            # The caller raises what went wrong from `failed`.
            with suppress(BaseException):
                tasks.run(worker)
            del tasks
            done.put(None)


def _dismiss(jobs: list[SimpleQueue[Tasks | None]]) -> None:
    for queue in jobs:
        queue.put(None)
