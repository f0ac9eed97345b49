"""What is known to have finished when a record starts: vector clocks over the streams.

A record starts after the one before it in its stream and after what it waits for; both bring along
all that had finished before them. Two records of different engines that neither knows the other
may run in any order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neuronc.isa.table import ENGINES, Engine

Ints = NDArray[np.int64]
Order = Sequence[tuple[Engine, int]]
"""(engine, position in its stream) of each record, in an order that the waits allow."""


@dataclass(frozen=True)
class Clocks:
    """Per record, what of another engine comes before it and what after it for certain."""

    finished: Mapping[Engine, Ints]
    """[record, other]: records of `other` before this one have finished when the record starts."""
    started: Mapping[Engine, Ints]
    """[record, other]: records of `other` from this one on start when the record has finished."""

    def window(self, engine: Engine, records: Ints, other: Engine) -> tuple[Ints, Ints]:
        """The records `start <= n < stop` of `other` that are unordered with each of `records`."""
        return self.finished[engine][records, other], self.started[engine][records, other]


def clocks_of(streams: Mapping[Engine, np.ndarray], order: Order) -> Clocks:
    """Run the clocks along a legal order of the records."""
    waits = {engine: stream["waits"].tolist() for engine, stream in streams.items()}
    waiting = {engine: stream["waits"].max(axis=1) > 0 for engine, stream in streams.items()}
    flags = {engine: flag.tolist() for engine, flag in waiting.items()}
    now = {engine: [0] * len(ENGINES) for engine in streams}
    changes = {engine: [clock] for engine, clock in now.items()}
    known: dict[Engine, list[list[int]]] = {engine: [] for engine in streams}
    for engine, position in order:
        if flags[engine][position]:
            now[engine] = _joined(now[engine], waits[engine][position], known)
            changes[engine].append(now[engine])
        known[engine].append(now[engine])
    finished = {e: np.array(changes[e], np.int64)[np.cumsum(waiting[e])] for e in streams}
    return Clocks(finished, {e: _started(e, finished) for e in streams})


def _joined(
    clock: list[int], waits: list[int], known: Mapping[Engine, list[list[int]]]
) -> list[int]:
    """The clock after waiting: all that the awaited records knew, and they themselves."""
    for engine, count in zip(ENGINES, waits, strict=True):
        if count:
            clock = list(map(max, clock, known[engine][count - 1]))
            clock[engine] = max(clock[engine], count)
    return clock


def _started(engine: Engine, finished: Mapping[Engine, Ints]) -> Ints:
    """For each record of `engine`, the first record of every other one that knows it finished."""
    size = len(finished[engine])
    out = np.zeros((size, len(ENGINES)), np.int64)
    for other, clock in finished.items():
        # Clocks only grow, so the first to know record n comes after all that know at most n.
        out[:, other] = np.cumsum(np.bincount(clock[:, engine], minlength=size + 1))[:size]
    return out
