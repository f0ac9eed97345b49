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
_FIELD = (1 << 30) - 1


@dataclass
class Place:
    """A run of bytes: who wrote it last, who has read it since."""

    overlaps: list[int] = field(default_factory=list[int])
    writer: int = -1
    write: int = 0
    reads: dict[int, int] = field(default_factory=dict[int, int])


def synchronize(emitted: Emitted) -> None:
    """Fill in the waits of every record, in place."""
    numbers, places = places_of(emitted)
    engines: list[int] = emitted.engines.tolist()
    written: list[list[bool]] = emitted.written.tolist()
    waits = np.zeros((len(engines), len(ENGINES)), np.uint32)
    known: list[_Vector] = [[0] * len(ENGINES) for _ in ENGINES]
    implied: list[list[_Vector]] = [[[0] * len(ENGINES)] for _ in ENGINES]
    for row, (engine, slots, writes) in enumerate(zip(engines, numbers, written, strict=True)):
        needed = _needed(engine, slots, writes, places)
        if needed:
            known[engine], awaited = _await(known[engine], needed, implied)
            for other, count in awaited.items():
                waits[row, other] = count
        implied[engine].append(known[engine])
        _note(engine, len(implied[engine]) - 1, slots, writes, places)
    emitted.records["waits"] = waits


def _await(
    known: _Vector, needed: dict[int, int], implied: list[list[_Vector]]
) -> tuple[_Vector, dict[int, int]]:
    """What an engine knows after its waits, and which of the needed waits it must do.

    `implied[engine][n]` is what has happened once that engine has finished n instructions.
    """
    awaited: dict[int, int] = {}
    for other, count in sorted(needed.items(), key=lambda item: -item[1]):
        if known[other] < count:
            awaited[other] = count
            after = implied[other][count]
            known = [a if a > b else b for a, b in zip(known, after, strict=True)]
            known[other] = max(known[other], count)
    for other, count in list(awaited.items()):
        if any(implied[e][n][other] >= count for e, n in awaited.items() if e != other):
            del awaited[other]
    return known, awaited


def _needed(
    engine: int, slots: list[int], writes: list[bool], places: list[Place]
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
    engine: int, count: int, slots: list[int], writes: list[bool], places: list[Place]
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


def places_of(emitted: Emitted) -> tuple[list[list[int]], list[Place]]:
    """Number the distinct runs of bytes, per record and operand, and find which overlap."""
    words = emitted.records["operands"]
    memory = words["memory"].astype(np.int64)
    hbm = memory == Memory.HBM
    start = np.where(hbm, words["buffer"], words["tile_start"]).astype(np.int64)
    size = np.where(hbm, 1, words["tile_bytes"]).astype(np.int64)
    # One number for (memory, start, size), which sorts far faster than rows.
    keys = (memory << 60 | start << 30 | size).reshape(-1)
    packed, inverse = np.unique(keys, return_inverse=True)
    low = packed >> 30 & _FIELD
    unique = np.stack([packed >> 60, low, low + (packed & _FIELD)], -1)
    places = [Place() for _ in unique]
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
