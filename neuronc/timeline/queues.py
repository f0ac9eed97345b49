"""The queues of a kernel while they run: when each segment of records starts, and why then.

Each is a coroutine that stops where it cannot go on, that is where it awaits a record that has not
run. Nothing but its own waits holds a compute engine up.
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


class Compute(Queue):
    """A compute engine."""

    def steps(self) -> Generator[None]:
        """Run segments, each when its waits are met and the one before it has ended."""
        ran, cause, awaited, parts = self.ran, self.cause, self.awaited, self.parts
        ramp = Ramp(self.hw.ramp_seconds) if parts.ramp else None
        free = 0.0
        for count, before, span, first, last in zip(*self._columns(), strict=True):
            met, by, record = (yield from self.met(count)) if count else (0.0, QUEUE, -1)
            start = free + before
            waited = met > start
            if waited:
                start = met
            if ramp:
                start += ramp.lost(start - free, span)
            cause.append(by if waited else QUEUE)
            awaited.append(record if waited else -1)
            ran.append(base := start + span - first)
            free = base + last
        yield from self.end()

    def _columns(self) -> tuple[list[int], list[float], list[float], list[float], list[float]]:
        """Per segment: waits, delay and price of its first record, cumulative at both ends."""
        parts = self.parts
        firsts = np.flatnonzero(parts.begins)
        lasts = np.append(firsts[1:], len(parts.spans)) - 1
        delay, span = parts.before[firsts].tolist(), parts.spans[firsts].tolist()
        ends = parts.cumulative[firsts].tolist(), parts.cumulative[lasts].tolist()
        return self.waits.counts, delay, span, *ends


@dataclass
class Ramp:
    """The tensor engine runs at half rate until it has worked for a window, or half of one idle."""

    window: float
    warm: float = 0.0

    def lost(self, idle: float, span: float) -> float:
        """Seconds that a record loses after so much idle time."""
        if idle > self.window / 2:
            self.warm = 0.0
        lost = min(span, max(self.window - self.warm, 0.0) / 2)
        self.warm += span + lost
        return lost
