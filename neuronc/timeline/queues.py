"""The queues of a kernel while they run: when each segment of records starts, and why then.

Each is a coroutine that stops where it cannot go on, that is where it awaits a record that has not
run. What runs in one is in `compute` and `transfers`.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from neuronc.hardware import Generation
from neuronc.timeline.latencies import Floats
from neuronc.timeline.segments import Segments, Waits

QUEUE, DMA_BUSY = -1, -2
"""Why a record started when it did, if not for another record: its own queue, the DMA engines."""
NEVER = float("inf")


@dataclass(frozen=True)
class Track:
    """One engine's records in time; arrays have one element a record."""

    start: Floats
    stop: Floats
    busy: Floats
    """Seconds of the engine's own; of a transfer, of the DMA engines."""
    cause: NDArray[np.int64]
    """The engine of the record that this one waited for, or QUEUE or DMA_BUSY."""
    awaited: NDArray[np.int64]
    """Its position in that engine's stream."""


@dataclass
class Queue:
    """A stream as far as it has run."""

    parts: Segments
    waits: Waits
    bases: Sequence[list[float]]
    """By engine: per segment that has run, its base."""
    latencies: Sequence[float]
    """By engine, from a record's end until others see it."""
    hw: Generation
    missing: list[float] = field(init=False, default_factory=list[float])
    """It cannot go on before these bases of an engine's segments..."""
    needed: float = field(init=False, default=0)
    """... are so many."""
    cause: list[int] = field(init=False, default_factory=list[int])
    awaited: list[int] = field(init=False, default_factory=list[int])

    def __post_init__(self) -> None:
        self.engine = self.parts.engine
        self.ran = self.bases[self.engine]
        """The bases of its own segments."""
        waits = self.waits
        others = [self.bases[engine] for engine in waits.engines]
        late = [self.latencies[engine] for engine in waits.engines]
        self._waits = zip(
            others, waits.segments, waits.offsets, late, waits.engines, waits.records, strict=True
        )
        self._steps = self.steps()

    def steps(self) -> Generator[None]:
        """Run until it stops for good; pauses where it cannot go on."""
        raise NotImplementedError

    def go_on(self) -> bool:
        """Run as far as possible; whether it could."""
        if len(self.missing) < self.needed:
            return False
        next(self._steps)
        return True

    def met(self, count: int) -> Generator[None, None, tuple[float, int, int]]:
        """When the next waits are met, and by which record of which engine; pauses till known."""
        latest, by, record = 0.0, QUEUE, -1
        for other, segment, offset, late, engine, number in islice(self._waits, count):
            if segment >= len(other):
                self.missing, self.needed = other, segment + 1
                yield
            seen = other[segment] + offset + late
            if seen > latest:
                latest, by, record = seen, engine, number
        return latest, by, record

    def end(self) -> Generator[None]:
        """Nothing is left to run."""
        self.missing, self.needed = [], NEVER
        yield

    def track(self) -> Track:
        """What has happened, as arrays."""
        parts = self.parts
        stop = np.array(self.ran)[parts.segment] + parts.cumulative
        cause, awaited = np.full(len(stop), QUEUE), np.full(len(stop), -1)
        cause[parts.begins], awaited[parts.begins] = self.cause, self.awaited
        return Track(stop - parts.spans, stop, parts.spans, cause, awaited)
