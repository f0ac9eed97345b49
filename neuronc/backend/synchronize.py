"""Derive the waits: every access that conflicts with an earlier one waits for it, once.

Each engine counts its finished instructions. A record waits for `count[engine] >= n` where it
reads what another engine wrote, or writes what another read or wrote. A wait is dropped when an
earlier one implies it: finishing an instruction implies all that it waited for.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from neuronc.backend.emit import Emitted
from neuronc.isa.operands import Memory
from neuronc.isa.table import ENGINES

_Vector = list[int]


@dataclass
class _Place:
    """A run of bytes: who wrote it last, who has read it since."""

    overlaps: list[int] = field(default_factory=list[int])
    writer: int = -1
    write: int = 0
    reads: dict[int, int] = field(default_factory=dict[int, int])


def synchronize(emitted: Emitted) -> None:
    """Fill in the waits of every record, in place."""
    numbers, places = _places(emitted)
    engines: list[int] = emitted.engines.tolist()
    written: list[list[bool]] = emitted.written.tolist()
    waits = np.zeros((len(engines), len(ENGINES)), np.uint32)
    known: list[_Vector] = [[0] * len(ENGINES) for _ in ENGINES]
    finished: list[list[_Vector]] = [[[0] * len(ENGINES)] for _ in ENGINES]
    for row, (engine, slots, writes) in enumerate(zip(engines, numbers, written, strict=True)):
        needed = _needed(engine, slots, writes, places)
        mine = known[engine]
        for other, count in sorted(needed.items(), key=lambda item: -item[1]):
            if mine[other] >= count:
                continue
            waits[row, other] = count
            implied = finished[other][count]
            mine = [max(a, b) for a, b in zip(mine, implied, strict=True)]
        _drop_implied(waits[row], finished)
        mine = list(mine)
        mine[engine] += 1
        known[engine] = mine
        finished[engine].append(mine)
        _note(engine, mine[engine], slots, writes, places)
    emitted.records["waits"] = waits


def _drop_implied(row: np.ndarray, finished: list[list[_Vector]]) -> None:
    """Remove a wait that another wait of the same record implies."""
    wanted = [(e, int(n)) for e, n in enumerate(row) if n]
    if len(wanted) < 2:
        return
    for engine, count in wanted:
        for other, other_count in wanted:
            if other != engine and row[other] and finished[other][other_count][engine] >= count:
                row[engine] = 0
                break


def _needed(
    engine: int, slots: list[int], writes: list[bool], places: list[_Place]
) -> dict[int, int]:
    """Per engine, the count this record has to see."""
    needed: dict[int, int] = {}
    for slot, is_write in zip(slots, writes, strict=True):
        if slot < 0:
            continue
        for other in places[slot].overlaps:
            place = places[other]
            if place.writer >= 0 and place.writer != engine:
                needed[place.writer] = max(needed.get(place.writer, 0), place.write)
            if is_write:
                for reader, count in place.reads.items():
                    if reader != engine:
                        needed[reader] = max(needed.get(reader, 0), count)
    return needed


def _note(
    engine: int, count: int, slots: list[int], writes: list[bool], places: list[_Place]
) -> None:
    """Remember this record's accesses; a write settles all that came before in its own run."""
    for slot, is_write in zip(slots, writes, strict=True):
        if slot >= 0 and not is_write:
            places[slot].reads[engine] = count
    for slot, is_write in zip(slots, writes, strict=True):
        if slot >= 0 and is_write:
            place = places[slot]
            place.writer, place.write = engine, count
            place.reads = {}


def _places(emitted: Emitted) -> tuple[list[list[int]], list[_Place]]:
    """Number the distinct runs of bytes, per record and operand, and find which overlap."""
    words = emitted.records["operands"]
    memory = words["memory"].astype(np.int64)
    hbm = memory == Memory.HBM
    start = np.where(hbm, words["buffer"], words["tile_start"]).astype(np.int64)
    size = np.where(hbm, 1, words["tile_bytes"]).astype(np.int64)
    keys = np.stack([memory, start, start + size], -1).reshape(-1, 3)
    unique, inverse = np.unique(keys, axis=0, return_inverse=True)
    places = [_Place() for _ in unique]
    for i, (kind, low, high) in enumerate(unique.tolist()):
        same = (unique[:, 0] == kind) & (unique[:, 1] < high) & (low < unique[:, 2])
        places[i].overlaps = np.flatnonzero(same).tolist()
    numbers: np.ndarray = inverse.reshape(memory.shape)
    numbers[memory == Memory.NONE] = -1
    numbers[hbm & ~_written_buffers(words, emitted.written)[words["buffer"]]] = -1
    rows: list[list[int]] = numbers.tolist()
    return rows, places


def _written_buffers(words: np.ndarray, written: np.ndarray) -> np.ndarray:
    """Which HBM buffers the kernel writes; the others never conflict."""
    flags = np.zeros(int(words["buffer"].max(initial=0)) + 1, np.bool_)
    flags[words["buffer"][written & (words["memory"] == Memory.HBM)]] = True
    return flags
