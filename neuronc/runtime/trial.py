"""Whether a kernel's tasks are shared between workers: by what they should take, or by trial.

Two workers share one interpreter and one memory. What they gain depends on how long calls take and
how fast a machine hands the interpreter over, which differ several times between machines. Where a
kernel is sure to gain it is shared. Of others the first runs, wherever they are called, are made
both ways in turns, with a clock in hand. The bits do not depend on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf
from time import perf_counter

from neuronc.runtime.schedule import WORKERS, Task, makespan
from neuronc.runtime.workers import Tasks, Team

SURE_GAIN = 1.6
"""A kernel that two workers should run so much faster is not tried. On a machine where calls are
short they gained nothing up to 1.45, and all that there was to gain from 1.9 on."""
GAIN_MIN = 1.15
"""How much faster workers have to be where they are tried: they take more processors' time."""
TRIALS = 3
"""Of each way: the first finds pages that were never touched."""


@dataclass
class Trial:
    """The seconds that the runs of a kernel took at best: by one worker, and by all."""

    is_sure: bool = False
    seconds: list[float] = field(default_factory=lambda: [inf, inf])
    runs: int = 0

    @classmethod
    def of(cls, tasks: Sequence[Task]) -> Trial:
        """The trial of some tasks, which is over at once where it is sure."""
        alone = sum(task.seconds for task in tasks)
        return cls(len(tasks) > 1 and alone >= SURE_GAIN * makespan(tasks, WORKERS))

    @property
    def is_over(self) -> bool:
        """Whether each way was tried often enough."""
        return self.is_sure or self.runs == 2 * TRIALS

    @property
    def is_shared(self) -> bool:
        """Whether the next run is by all workers."""
        if self.is_sure:
            return True
        if not self.is_over:
            return bool(self.runs % 2)
        return self.seconds[0] >= GAIN_MIN * self.seconds[1]

    def note(self, shared: bool, seconds: float) -> None:
        """Note what a run took."""
        self.seconds[shared] = min(self.seconds[shared], seconds)
        self.runs += 1


@dataclass
class Bound:
    """One call of a kernel, bound, to be run again and again."""

    tasks: Tasks
    trial: Trial
    """Of the kernel."""

    def run(self, team: Team) -> None:
        """Run all tasks, by one worker or by all."""
        if team.workers == 1 or len(self.tasks.calls) == 1:
            self.tasks.run_alone()
            return
        shared, start = self.trial.is_shared, perf_counter()
        if shared:
            team.run(self.tasks)
        else:
            self.tasks.run_alone()
        if not self.trial.is_over:
            self.trial.note(shared, perf_counter() - start)
