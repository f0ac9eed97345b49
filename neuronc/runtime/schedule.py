"""Split a kernel's calls over workers: each gets a list in order, with the waits that it needs.

Dependences come from the bytes that records touch: read after write, write after read, write after
write, on chip and in HBM. Every worker's list keeps the legal order, so whatever the workers'
number and speed, each record sees the same values and the same bits come out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np

from neuronc.dtypes import BY_CODE
from neuronc.isa import instructions as isa
from neuronc.isa.operands import Memory, Operand, elements
from neuronc.isa.records import Record
from neuronc.isa.table import Instruction
from neuronc.runtime.accesses import SPACE
from neuronc.runtime.bind import operands_of
from neuronc.runtime.races import overlapping

HANDOVER_SECONDS = 2e-5
"""What it costs a worker to wait for another, as seen on Linux."""
SMALL_SECONDS = 3e-4
"""A kernel shorter than this is not worth a second worker."""
_FLOPS_PER_SECOND = 1e11
_CALL_SECONDS = 2e-6
_ELEMENT_SECONDS = 3e-10


@dataclass(frozen=True)
class Item:
    """One record in a worker's list."""

    position: int
    """In the kernel's legal order."""
    waits: tuple[tuple[int, int], ...]
    """(worker, how many of its items must be done)."""


@dataclass
class _Place:
    """A run of bytes: the last record that wrote it, and those that read it since."""

    overlaps: list[int]
    writer: int = -1
    readers: list[int] = field(default_factory=list[int])


def split(records: Sequence[Record], workers: int) -> list[list[Item]]:
    """Give each record, in order, to the worker that can finish it first.

    Kernels that are short, or that write where values say, stay with one worker.
    """
    costs = [_seconds(r.instruction) for r in records]
    indirect = any(isinstance(r.instruction, isa.DmaScatter | isa.Library) for r in records)
    if workers == 1 or indirect or sum(costs) < SMALL_SECONDS:
        return [[Item(i, ()) for i in range(len(records))]]
    dependences = _dependences(records)
    free = [0.0] * workers
    finish: list[float] = []
    owner: list[int] = []
    number: list[int] = []
    lists: list[list[Item]] = [[] for _ in range(workers)]
    seen = [[0] * workers for _ in range(workers)]
    for position, before in enumerate(dependences):
        # A worker's records finish in order, so its last one that matters stands for all.
        last = [0] * workers
        arrived = [0.0] * workers
        for d in before:
            if number[d] > last[owner[d]]:
                last[owner[d]], arrived[owner[d]] = number[d], finish[d]
        starts = [max([free[w], *_arrivals(arrived, w)]) for w in range(workers)]
        worker = min(range(workers), key=starts.__getitem__)
        needed = [n if o != worker else 0 for o, n in enumerate(last)]
        waits = tuple((w, n) for w, n in enumerate(needed) if n > seen[worker][w])
        for w, n in waits:
            seen[worker][w] = n
        lists[worker].append(Item(position, waits))
        free[worker] = starts[worker] + costs[position]
        finish.append(free[worker])
        owner.append(worker)
        number.append(len(lists[worker]))
    return lists


def _arrivals(finished: list[float], worker: int) -> list[float]:
    """When a worker sees what each has finished; its own at once."""
    return [t if w == worker else t + HANDOVER_SECONDS for w, t in enumerate(finished) if t]


def _seconds(instr: Instruction) -> float:
    """A rough time on the host, only to balance the workers."""
    if isinstance(instr, isa.MatMul):
        k, m, n = instr.stationary.partitions, instr.dst.partitions, elements(instr.moving)
        return _CALL_SECONDS + 2 * m * n / _FLOPS_PER_SECOND * (k / instr.moving.partitions)
    size = max((elements(o) for o in operands_of(instr).values()), default=0)
    weight = 5 if isinstance(instr, isa.Activation | isa.Transpose) else 1
    return _CALL_SECONDS + size * _ELEMENT_SECONDS * weight


def _dependences(records: Sequence[Record]) -> list[list[int]]:
    """For each record, the earlier ones it must follow; those implied by others may be there."""
    numbers, places = _places(records)
    out: list[list[int]] = []
    for position, touched in enumerate(numbers):
        before: set[int] = set()
        for place, is_write in touched:
            for other in places[place].overlaps:
                run = places[other]
                if run.writer >= 0:
                    before.add(run.writer)
                if is_write:
                    before.update(run.readers)
        before.discard(position)
        for place, is_write in touched:
            if is_write:
                places[place].writer, places[place].readers = position, []
            else:
                places[place].readers.append(position)
        out.append(sorted(before))
    return out


def _places(records: Sequence[Record]) -> tuple[list[list[tuple[int, bool]]], list[_Place]]:
    """Number the distinct runs of bytes that records touch, and find which overlap.

    Buffers that nobody writes are left out: what reads them depends on nothing.
    """
    spans: dict[_Span, int] = {}
    touched: list[list[tuple[int, bool]]] = []
    given = [
        [(_span(operand), r.instruction.slots[name].written) for name, operand in named.items()]
        for r, named in ((r, operands_of(r.instruction)) for r in records)
    ]
    changed = {span[0] for row in given for span, is_write in row if is_write}
    for row in given:
        kept = [(span, is_write) for span, is_write in row if span[0] in changed]
        touched.append([(spans.setdefault(s, len(spans)), is_write) for s, is_write in kept])
    return touched, _with_overlaps(np.array(list(spans), np.int64).reshape(-1, 6))


def _with_overlaps(table: np.ndarray) -> list[_Place]:
    """A place a row of the table, each with those that share a byte with it, or might."""
    places = [_Place([i]) for i in range(len(table))]
    low, high = table[:, 0] * SPACE + table[:, 1], table[:, 0] * SPACE + table[:, 2]
    for i, j in overlapping(low, high, itself=False):
        one, other = table[i], table[j]
        beside = (one[:, 3] > 0) & (one[:, 3] == other[:, 3])
        beside &= (other[:, 4] >= one[:, 5]) | (one[:, 4] >= other[:, 5])
        left_ids, right_ids = cast(list[list[int]], [i[~beside].tolist(), j[~beside].tolist()])
        for left, right in zip(left_ids, right_ids, strict=True):
            places[left].overlaps.append(right)
            places[right].overlaps.append(left)
    return places


_Span = tuple[int, int, int, int, int, int]
"""Memory or buffer, first byte, end; then what names equal rows, and the columns taken of them."""


def _span(operand: Operand) -> _Span:
    """The bytes of an operand: columns of a tile on chip, of strided rows in HBM if it has them."""
    size = BY_CODE[operand.dtype].bytes
    walk = [(n - 1) * s * size for n, s in zip(operand.counts, operand.steps, strict=True)]
    low = operand.offset + sum(min(w, 0) for w in walk)
    high = operand.offset + sum(max(w, 0) for w in walk) + size
    if operand.memory is not Memory.HBM:
        start, stop = operand.tile_start, operand.tile_start + operand.tile_bytes
        # Parts of one tile are apart where their columns are; different tiles share host bytes
        # wherever the tiles overlap, since each lays its own partitions out (see `memory`).
        return operand.memory, start, stop, 1 + (start << 32) + stop, low, high
    kind = Memory.HBM + operand.buffer
    step = operand.steps[0] * size if operand.steps else 0
    width = high - low - (walk[0] if walk else 0)
    if step <= 0 or min(walk, default=0) < 0 or low % step + width > step:
        return kind, low, high, 0, 0, 0
    return kind, low, high, step, low % step, low % step + width
