"""The queues of transfers, which share the DMA engines: first come, first served.

A queue says when its next transfer is ready, and runs while it is its turn.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from neuronc.timeline.queues import DMA_BUSY, NEVER, QUEUE, Queue, Track


@dataclass
class Shared:
    """The DMA engines."""

    free: float = 0.0


@dataclass
class Transfers(Queue):
    """A queue of transfers, which begin and end in order but overlap."""

    dma: Shared = field(default_factory=Shared)
    ready: float = field(init=False, default=NEVER)
    """When the next transfer may begin; NEVER while that is not known, and after the last."""
    limit: float = field(init=False, default=-1.0)
    """Transfers that are ready by then may run..."""
    until: float = field(init=False, default=0)
    """... until so many have."""
    starts: list[float] = field(init=False, default_factory=list[float])

    def steps(self) -> Generator[None]:
        """Run transfers, each when its waits are met and it is its queue's turn."""
        ran, cause, awaited, starts, dma = self.ran, self.cause, self.awaited, self.starts, self.dma
        free, begun = 0.0, self.hw.dma_start_seconds
        for at, (count, span, least) in enumerate(self._columns()):
            ready, by, record = begun, QUEUE, -1
            if count:
                self.ready = NEVER
                met, engine, number = yield from self.met(count)
                begins = met + self.hw.dma_start_seconds
                if met > 0 and begins > begun:
                    ready, by, record = begins, engine, number
            begun = ready
            if ready > self.limit or at >= self.until:
                self.ready = ready
                yield
            start = dma.free
            if start > ready:
                by, record = DMA_BUSY, -1
            else:
                start = ready
            dma.free = start + span
            free = max(free, start + least)
            ran.append(free)
            starts.append(start)
            cause.append(by)
            awaited.append(record)
        self.ready = NEVER
        yield from self.end()

    def take_turn(self, limit: float, until: float) -> None:
        """Run the next transfer, and those that are ready by a time till so many have run."""
        self.limit, self.until = limit, until
        self.go_on()
        self.limit = -1.0

    def _columns(self) -> Iterator[tuple[int, float, float]]:
        """Per transfer: waits, price, and how long it takes at least."""
        spans = self.parts.spans
        least = np.maximum(spans, self.hw.dma_transfer_min_seconds)
        return zip(self.waits.counts, spans.tolist(), least.tolist(), strict=True)

    def track(self) -> Track:
        """What has happened, as arrays."""
        return replace(super().track(), start=np.array(self.starts))
