"""What the time of one kernel is spent on: its critical path, and DMA that nothing hides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from neuronc.isa.table import DMA_QUEUES, ENGINES, Engine
from neuronc.timeline.latencies import Floats
from neuronc.timeline.queues import DMA_BUSY
from neuronc.timeline.simulate import Timeline


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
    tracks = line.tracks
    if not tracks:
        return {}
    ends = np.cumsum([0, *(len(track.start) for track in tracks.values())]).tolist()
    first = dict(zip(tracks, ends, strict=False))
    before = _before(line, first).tolist()
    last = max(tracks, key=lambda engine: float(tracks[engine].stop[-1]))
    at, chain = first[last] + len(tracks[last].stop) - 1, list[int]()
    while at >= 0:
        chain.append(at)
        at = before[at]
    stops = np.concatenate([track.stop for track in tracks.values()])
    blame = np.zeros(len(stops))
    blame[chain] = stops[chain] - np.append(stops[chain[1:]], 0.0)
    return dict(zip(tracks, np.split(blame, ends[1:-1]), strict=True))


def _before(line: Timeline, first: Mapping[Engine, int]) -> NDArray[np.int64]:
    """The record to blame before each, as indices into all tracks one after the other; -1 is none.

    `first` is where each track begins.
    """
    parts: list[NDArray[np.int64]] = []
    for engine, track in line.tracks.items():
        own = np.arange(len(track.start)) - 1
        parts.append(np.where(own >= 0, own + first[engine], -1))
    before = np.concatenate(parts)
    cause = np.concatenate([track.cause for track in line.tracks.values()])
    awaited = np.concatenate([track.awaited for track in line.tracks.values()])
    origin = np.array([first.get(engine, 0) for engine in ENGINES])
    before = np.where(cause >= 0, origin[cause] + awaited, before)
    order = _transfers(line, first)
    busy = cause[order[1:]] == DMA_BUSY
    before[order[1:][busy]] = order[:-1][busy]
    return before


def _transfers(line: Timeline, first: Mapping[Engine, int]) -> NDArray[np.int64]:
    """The transfers in the order in which the DMA engines did them."""
    queues = [(first[e], line.tracks[e].start) for e in DMA_QUEUES if e in line.tracks]
    if not queues:
        return np.zeros(0, np.int64)
    records = np.concatenate([begin + np.arange(len(starts)) for begin, starts in queues])
    return records[np.argsort(np.concatenate([starts for _, starts in queues]), kind="stable")]


def _covered(spans: Sequence[tuple[Floats, Floats]]) -> float:
    """Length of the union of half-open intervals."""
    if not spans:
        return 0.0
    starts, stops = (np.concatenate([span[i] for span in spans]) for i in range(2))
    order = np.argsort(starts, kind="stable")
    starts, stops = starts[order], np.maximum.accumulate(stops[order])
    reached = np.concatenate([[0.0], stops[:-1]])
    return float(np.maximum(stops - np.maximum(starts, reached), 0).sum())
