"""What the time of one kernel is spent on: its critical path, and DMA that nothing hides."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from neuronc.isa.table import DMA_QUEUES, Engine
from neuronc.timeline import DMA_BUSY, Floats, Timeline


def exposed_dma(line: Timeline) -> float:
    """Seconds while the DMA engines move something and no compute engine works."""
    compute = [(t.start, t.stop) for e, t in line.tracks.items() if e not in DMA_QUEUES]
    moving = [(t.start, t.start + t.busy) for e, t in line.tracks.items() if e in DMA_QUEUES]
    return _covered([*compute, *moving]) - _covered(compute)


def critical_path(line: Timeline) -> dict[Engine, Floats]:
    """Per record, how much of the kernel's time it is to blame for; the sum is all of it.

    Walks back from the record that ends last: to the record that each waited for, else to the one
    before it in its queue or, among transfers, on the DMA engines.
    """
    blame = {engine: np.zeros(len(track.start)) for engine, track in line.tracks.items()}
    if not blame:
        return blame
    engine = max(line.tracks, key=lambda e: float(line.tracks[e].stop[-1]))
    position = len(blame[engine]) - 1
    stops = {e: t.stop.tolist() for e, t in line.tracks.items()}
    causes = {e: t.cause.tolist() for e, t in line.tracks.items()}
    awaited = {e: t.awaited.tolist() for e, t in line.tracks.items()}
    before = _transfers_before(line)
    while True:
        stop, cause = stops[engine][position], causes[engine][position]
        at = engine, position
        if cause >= 0:
            engine, position = Engine(cause), awaited[engine][position]
        elif cause == DMA_BUSY and at in before:
            engine, position = before[at]
        else:
            position -= 1
        blame[at[0]][at[1]] = stop - (stops[engine][position] if position >= 0 else 0.0)
        if position < 0:
            return blame


def _transfers_before(line: Timeline) -> dict[tuple[Engine, int], tuple[Engine, int]]:
    """The transfer that the DMA engines did before each one."""
    queues = [(e, line.tracks[e].start) for e in DMA_QUEUES if e in line.tracks]
    order = sorted(
        (start, engine, i) for engine, starts in queues for i, start in enumerate(starts.tolist())
    )
    each = [(engine, i) for _, engine, i in order]
    return dict(zip(each[1:], each[:-1], strict=True))


def _covered(spans: Sequence[tuple[Floats, Floats]]) -> float:
    """Length of the union of half-open intervals."""
    if not spans:
        return 0.0
    starts, stops = (np.concatenate([span[i] for span in spans]) for i in range(2))
    order = np.argsort(starts, kind="stable")
    starts, stops = starts[order], np.maximum.accumulate(stops[order])
    reached = np.concatenate([[0.0], stops[:-1]])
    return float(np.maximum(stops - np.maximum(starts, reached), 0).sum())
