"""When each record of a kernel runs on the target: the records themselves, their queues and waits.

A record starts when its engine is free and its waits are met. What takes time beside the records'
own prices (`isa/instructions.py`), all from `hardware.py`:

- a record that another engine waits for, or that the next of its own engine reads, is seen some
  cycles after its last element;
- an activation whose tables are not loaded loads them as soon as the scalar engine is free;
- transfers of both queues share the DMA engines, first come, first served. A transfer begins some
  time after its waits, takes at least the least time of a transfer, and its waiters see the end a
  little later; transfers of one queue begin and end in order, but overlap;
- with `ramp`, the tensor engine runs at half rate after it has idled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nextafter
from operator import attrgetter

import numpy as np

from neuronc.errors import ArtifactError
from neuronc.hardware import Generation
from neuronc.isa.table import DMA_QUEUES, ENGINES, Engine
from neuronc.timeline.compute import Compute
from neuronc.timeline.latencies import latency
from neuronc.timeline.queues import NEVER, Queue, Track
from neuronc.timeline.segments import Segments, Waits
from neuronc.timeline.transfers import Shared, Transfers

Streams = Mapping[Engine, np.ndarray]
_READY = attrgetter("ready")


@dataclass(frozen=True)
class Timeline:
    """All engines of one kernel, from its start at 0."""

    tracks: Mapping[Engine, Track]
    seconds: float
    """From the start to the end of the last record."""


def simulate(streams: Streams, hw: Generation, ramp: bool = False) -> Timeline:
    """Let the records run; vectorised between waits, so that half a million take a second.

    Raises:
        ArtifactError: the waits never let some record start.
    """
    parts = {
        engine: Segments.of(engine, stream, hw, ramp and engine is Engine.TENSOR)
        for engine, stream in sorted(streams.items())
        if len(stream)
    }
    compute, transfers = _queues(parts, hw)
    while True:
        while any([queue.go_on() for queue in compute]):
            pass
        for queue in transfers:
            if queue.ready == NEVER:
                queue.go_on()
        if not _next_turn(transfers, [*compute, *transfers]):
            break
    queues = (*compute, *transfers)
    _check_all_ran(queues)
    tracks = {queue.engine: queue.track() for queue in queues}
    seconds = max((float(t.stop.max()) for t in tracks.values()), default=0.0)
    return Timeline(tracks, seconds)


def _queues(
    parts: Mapping[Engine, Segments], hw: Generation
) -> tuple[list[Compute], list[Transfers]]:
    """The queues of the compute engines, and those of transfers."""
    bases: list[list[float]] = [[] for _ in ENGINES]
    latencies, dma = [latency(engine, hw) for engine in ENGINES], Shared()
    compute: list[Compute] = []
    transfers: list[Transfers] = []
    for engine, part in parts.items():
        waits = Waits.of(part.stream["waits"][part.begins], parts)
        if engine in DMA_QUEUES:
            transfers.append(Transfers(part, waits, bases, latencies, hw, dma))
        else:
            compute.append(Compute(part, waits, bases, latencies, hw))
    return compute, transfers


def _next_turn(transfers: Sequence[Transfers], queues: Sequence[Queue]) -> bool:
    """Let the queue run whose transfer is ready first, until another queue can go on.

    Of two that are ready at once, the first in order is first. Returns whether there was one.
    """
    chosen = min(transfers, key=_READY, default=None)
    if chosen is None or chosen.ready == NEVER:
        return False
    limit = until = NEVER
    for queue in queues:
        if queue.missing is chosen.ran:
            until = min(until, queue.needed)
    for queue in transfers:
        if queue is not chosen:
            limit = queue.ready if chosen.engine < queue.engine else nextafter(queue.ready, 0)
    chosen.take_turn(limit, until)
    return True


def _check_all_ran(queues: Sequence[Queue]) -> None:
    """Every record has started."""
    for queue in queues:
        firsts = np.flatnonzero(queue.parts.begins)
        if len(queue.ran) < len(firsts):
            record = firsts[len(queue.ran)]
            where = f"{queue.engine.name.lower()}[{record}]"
            hint = "the file was not written by neuronc; compile the model again"
            raise ArtifactError(where, "its waits never let it start", hint, code="NRC-0410")
