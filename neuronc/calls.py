"""When a run of a program calls which kernel, one after the other, from their timelines.

What decides which kernel is next, and that all of the one before is done, is the host's program. A
loop counts as often as it is known or assumed to run, and of a branch the costliest counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from neuronc.artifact.model import Call, Step, While
from neuronc.timeline.simulate import Timeline


@dataclass(frozen=True)
class Placed:
    """One call of a kernel in the run of the program."""

    kernel: int
    start_seconds: float


@dataclass(frozen=True)
class Repeat:
    """The iterations of a loop after its first one."""

    start_seconds: float
    seconds: float
    times: int


@dataclass
class Run:
    """A run of the program as far as it has come."""

    timelines: Mapping[int, Timeline]
    trips: int
    now: float = 0.0
    calls: list[Placed] = field(default_factory=list[Placed])
    repeats: list[Repeat] = field(default_factory=list[Repeat])
    counts: Counter[int] = field(default_factory=Counter[int])
    assumed: int = 0

    def place(self, steps: Sequence[Step]) -> None:
        """Run steps one after the other."""
        for step in steps:
            if isinstance(step, Call):
                self.calls.append(Placed(step.kernel, self.now))
                self.counts[step.kernel] += 1
                self.now += self.timelines[step.kernel].seconds
            elif isinstance(step, While):
                self._loop(step)
            else:
                branches = [self._fork() for _ in step.branches]
                for branch, inside in zip(branches, step.branches, strict=True):
                    branch.place(inside)
                if branches:
                    self._join(max(branches, key=lambda branch: branch.now), self.now)

    def _loop(self, loop: While) -> None:
        """The condition and the body once in full; then how long the other iterations take."""
        trips = self.trips if loop.trips is None else loop.trips
        self.assumed += loop.trips is None
        begin, first = self.now, self._fork()
        first.place((*loop.condition, *loop.body) if trips else ())
        last = self._fork()
        last.place(loop.condition)
        again = first.now - begin
        self._join(first, begin)
        for kernel, count in first.counts.items():
            self.counts[kernel] += count * max(trips - 1, 0)
        if trips > 1:
            self.repeats.append(Repeat(self.now, (trips - 1) * again, trips - 1))
            self.now += (trips - 1) * again
        self._join(last, begin)

    def _fork(self) -> Run:
        """A run that goes on from here by itself."""
        return Run(self.timelines, self.trips, self.now)

    def _join(self, part: Run, begin: float) -> None:
        """Go on after what ran from `begin` on, which now runs from here."""
        shift = self.now - begin
        self.calls += [Placed(c.kernel, c.start_seconds + shift) for c in part.calls]
        self.repeats += [Repeat(r.start_seconds + shift, r.seconds, r.times) for r in part.repeats]
        self.counts += part.counts
        self.assumed += part.assumed
        self.now += part.now - begin
