"""The queue of a compute engine while it runs: nothing but its own waits holds it up."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

from neuronc.timeline.queues import QUEUE, Queue


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
