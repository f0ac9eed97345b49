"""Every byte that a kernel's records reach: one row an operand, equal operands numbered once.

A kernel of half a million records reaches few distinct places on chip, because blocks take turns;
so what is asked about places is asked once a place, and about records by array arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from neuronc.artifact.model import Kernel
from neuronc.dtypes import BY_NAME
from neuronc.isa.instructions import DmaGather, DmaScatter, Library
from neuronc.isa.operands import ELEMENT_BYTES, OPERAND, Memory, Operand, decode_operand, hulls
from neuronc.isa.records import rows_of
from neuronc.isa.table import INSTRUCTIONS, Engine, Instruction

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
_MIX = np.array([0x9E3779B97F4A7C15 * (2 * i + 1) % 2**64 | 1 for i in range(8)], np.uint64)
_LINE_BYTES = 1 << 20
SPACE = 1 << 40
"""From the addresses of one tile, buffer group or memory to those of the next."""


@dataclass(frozen=True)
class Room:
    """Where a buffer of a call lies: overlapping buffers share a group, `start` bytes apart."""

    group: int
    start: int
    bytes: int


@dataclass(frozen=True)
class Accesses:
    """One row an operand of a record; `places` holds each distinct operand word once."""

    engine: Ints
    index: Ints
    """Position in the engine's stream."""
    read: Bools
    write: Bools
    place: Ints
    """Row of `places`."""
    places: np.ndarray

    def at(self, row: int) -> tuple[Engine, int]:
        """The record of one access."""
        return Engine(int(self.engine[row])), int(self.index[row])

    def where(self, rows: Bools) -> Accesses:
        """Some of the rows."""
        return Accesses(
            self.engine[rows],
            self.index[rows],
            self.read[rows],
            self.write[rows],
            self.place[rows],
            self.places,
        )

    def operand(self, row: int) -> Operand:
        """The decoded operand of one access."""
        operand = decode_operand(self.places[self.place[row]].tobytes())
        assert operand is not None
        return operand


@dataclass(frozen=True)
class _Part:
    index: Ints
    words: np.ndarray
    read: Bools
    write: bool


def accesses_of(kernel: Kernel, rooms: Sequence[Room]) -> Accesses:
    """All accesses of a kernel whose buffers lie in `rooms`."""
    parts = [(e, part) for e, s in kernel.streams.items() for part in _parts(kernel, s, rooms)]
    words = np.concatenate([np.zeros(0, OPERAND), *(part.words for _, part in parts)])
    _relocate(words, rooms)
    place, places = _numbered(words)
    sizes = [len(part.index) for _, part in parts]
    return Accesses(
        np.repeat(np.array([e for e, _ in parts], np.int64), sizes),
        np.concatenate([np.zeros(0, np.int64), *(part.index for _, part in parts)]),
        np.concatenate([np.zeros(0, np.bool_), *(part.read for _, part in parts)]),
        np.repeat(np.array([part.write for _, part in parts], np.bool_), sizes),
        place,
        places,
    )


def rooms_of(buffers: Sequence[NDArray[np.uint8]]) -> tuple[Room, ...]:
    """How the buffers of a call overlap: groups are named by their first buffer."""
    spans = [(b.ctypes.data, b.ctypes.data + b.nbytes) for b in buffers]
    rooms: dict[int, Room] = {}
    group: list[int] = []
    end = 0
    for number in sorted(range(len(spans)), key=spans.__getitem__):
        low, high = spans[number]
        if low >= end:
            group = []
        group.append(number)
        end = max(end, high)
        for member in group:
            start = spans[member][0] - spans[group[0]][0]
            rooms[member] = Room(min(group), start, buffers[member].nbytes)
    return tuple(rooms[number] for number in range(len(spans)))


def _parts(kernel: Kernel, stream: np.ndarray, rooms: Sequence[Room]) -> Iterator[_Part]:
    """The operands of a stream, one part a field of an instruction."""
    for opcode in np.unique(stream["opcode"]).tolist():
        cls, index = INSTRUCTIONS[opcode], np.flatnonzero(stream["opcode"] == opcode)
        rows = rows_of(stream, cls, index)
        if cls is Library:
            yield from _library_parts(kernel, rows["call"], index, rooms)
        for name, slot in cls.slots.items():
            given = rows[name]["memory"] != Memory.NONE
            words = rows[name][given]
            if _is_computed(cls, name):
                words = _whole(words["buffer"], rooms)
            combined = "accumulate" in cls.words and name == "dst"
            read = rows["accumulate"][given] != 0 if combined else np.full(len(words), True)
            if slot.written and not combined:
                read = np.full(len(words), False)
            yield _Part(index[given], words, read, slot.written)


def _library_parts(
    kernel: Kernel, calls: np.ndarray, index: Ints, rooms: Sequence[Room]
) -> Iterator[_Part]:
    for number, at in zip(cast(list[int], calls.tolist()), index, strict=True):
        call = kernel.library[number]
        for operands, write in ((call.inputs, False), (call.outputs, True)):
            words = _whole(np.array([o.argument for o in operands], np.int64), rooms)
            yield _Part(np.full(len(words), at), words, np.full(len(words), not write), write)


def _is_computed(cls: type[Instruction], name: str) -> bool:
    """Whether the address of an operand depends on data."""
    return (cls, name) in ((DmaGather, "src"), (DmaScatter, "dst"))


def _whole(buffers: np.ndarray, rooms: Sequence[Room]) -> np.ndarray:
    """Operand words for whole buffers, in lines so that counts hold any size."""
    words = np.zeros(len(buffers), OPERAND)
    words["memory"], words["dtype"], words["buffer"] = Memory.HBM, BY_NAME["ui8"].code, buffers
    words["rank"], words["counts"] = 2, 1
    sizes = np.array([rooms[b].bytes for b in cast(list[int], buffers.tolist())], np.int64)
    short = sizes < _LINE_BYTES
    words["counts"][:, 0] = np.where(short, 1, -(-sizes // _LINE_BYTES))
    words["counts"][:, 1] = np.where(short, np.maximum(sizes, 1), _LINE_BYTES)
    words["steps"][:, 0], words["steps"][:, 1] = _LINE_BYTES, 1
    return words


def _relocate(words: np.ndarray, rooms: Sequence[Room]) -> None:
    """Name HBM bytes by group, so that buffers that share bytes share their names."""
    hbm = words["memory"] == Memory.HBM
    buffers = words["buffer"][hbm]
    words["offset"][hbm] += np.array([r.start for r in rooms] or [0], np.int64)[buffers]
    words["buffer"][hbm] = np.array([r.group for r in rooms] or [0], np.uint16)[buffers]


def _numbered(words: np.ndarray) -> tuple[Ints, np.ndarray]:
    """Number equal words: by a hash of their bytes, which is then compared to be sure."""
    raw = words.view(np.uint64).reshape(len(words), -1)
    with np.errstate(over="ignore"):
        key = (raw * (_MIX ^ (raw << np.uint64(17)))).sum(axis=1, dtype=np.uint64)
    _, first, number = np.unique(key, return_index=True, return_inverse=True)
    if not np.array_equal(raw[first][number], raw):
        _, first, number = np.unique(raw, axis=0, return_index=True, return_inverse=True)
    return number.reshape(-1).astype(np.int64), words[first]


def tiles_of(places: np.ndarray) -> tuple[Ints, Ints, Ints]:
    """The tile or buffer group of each place; first byte and end of each."""
    hbm = places["memory"] == Memory.HBM
    start = np.where(hbm, places["buffer"], places["tile_start"]).astype(np.int64)
    low = places["memory"].astype(np.int64) * SPACE + start
    high = low + np.where(hbm, 1, places["tile_bytes"])
    spans, number = np.unique(np.stack([low, high]), axis=1, return_inverse=True)
    return number.reshape(-1).astype(np.int64), spans[0], spans[1]


def outside_tile(accesses: Accesses) -> int | None:
    """An access on chip that leaves the tile it names, which then says nothing of what it reaches.

    Loading a file refuses it; a kernel that was never in a file is seen here alone.
    """
    places = accesses.places
    low, high = hulls(places)
    outside = (places["memory"] != Memory.HBM) & ((low < 0) | (high > places["tile_bytes"]))
    rows = np.flatnonzero(outside[accesses.place])
    return int(rows[0]) if len(rows) else None


def share_bytes(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two operand words, on the same partitions of a tile or in a buffer, share a byte."""
    starts, length = _runs(one)
    others, reach = _runs(other)
    after = np.searchsorted(starts, others - length, side="right")
    inside = after < len(starts)
    return bool((starts[after[inside]] < others[inside] + reach).any())


def _runs(word: np.ndarray) -> tuple[Ints, int]:
    """The contiguous runs of an operand: their sorted first bytes, and their length."""
    size = int(ELEMENT_BYTES[word["dtype"]])
    pairs = [(int(s) * size, int(n)) for s, n in zip(word["steps"], word["counts"], strict=True)]
    low = int(word["offset"]) + sum(min(step, 0) * (count - 1) for step, count in pairs)
    starts, length = np.array([low], np.int64), size
    for step, count in sorted((abs(s), n) for s, n in pairs if s and n > 1):
        if step == length and len(starts) == 1:
            length *= count
        else:
            starts = np.add.outer(starts, np.arange(count) * step).reshape(-1)
    return np.unique(starts), length
