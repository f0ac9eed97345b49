"""A stream before it runs: its segments, and what they wait for.

A segment begins where a record waits. Within one, records follow each other, so a segment's base
alone says when its records end: `base + cumulative`. Transfers overlap: each is a segment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neuronc.hardware import Generation
from neuronc.isa.table import DMA_QUEUES, Engine
from neuronc.timeline.latencies import Floats, delays, prices

_NEVER = 1 << 62
"""The segment of a record that is not there."""


@dataclass(frozen=True)
class Segments:
    """The records of an engine, in order."""

    engine: Engine
    stream: np.ndarray
    spans: Floats
    """Per record, its price."""
    before: Floats
    """Per record, the seconds that it adds after the record before it."""
    cumulative: Floats
    """Per record, the seconds up to its end if no record waited."""
    begins: NDArray[np.bool_]
    """Per record, whether a segment begins with it."""
    segment: NDArray[np.int64]
    """Per record, its segment."""
    ramp: bool
    """Whether each record may lose time to the ramp, and so is a segment."""

    @staticmethod
    def of(engine: Engine, stream: np.ndarray, hw: Generation, ramp: bool) -> Segments:
        """Price the records."""
        spans = prices(stream, engine, hw)
        before = delays(engine, stream, spans, hw)
        alone = engine in DMA_QUEUES
        begins = np.count_nonzero(stream["waits"], axis=1) > 0
        begins |= alone or ramp
        begins[:1] = True
        cumulative = np.zeros(len(spans)) if alone else np.cumsum(spans + before)
        segment = np.cumsum(begins) - 1
        return Segments(engine, stream, spans, before, cumulative, begins, segment, ramp)


@dataclass(frozen=True)
class Waits:
    """What the segments of a stream wait for: columns of one element a wait, in order."""

    counts: list[int]
    """Per segment, how many there are."""
    engines: list[int]
    records: list[int]
    segments: list[int]
    """The segment of the awaited record in its queue."""
    offsets: list[float]
    """Seconds from that segment's base to the end of the record."""

    @staticmethod
    def of(waits: NDArray[np.integer], others: Mapping[Engine, Segments]) -> Waits:
        """From the counts [segment, engine] of the records that must be done."""
        rows, engines = np.nonzero(waits)
        records = waits[rows, engines].astype(np.int64) - 1
        segments, offsets = np.full(len(rows), _NEVER), np.zeros(len(rows))
        for engine, other in others.items():
            at = np.flatnonzero((engines == engine) & (records < len(other.segment)))
            segments[at] = other.segment[records[at]]
            offsets[at] = other.cumulative[records[at]]
        counts = np.bincount(rows, minlength=len(waits))
        indices = counts.tolist(), engines.tolist(), records.tolist(), segments.tolist()
        return Waits(*indices, offsets.tolist())
