"""Find reads of on-chip bytes that hold nothing: never written, or another block's.

Both look at one legal order; where no two accesses race, every legal order reads the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neuronc.dtypes import BY_CODE
from neuronc.hardware import Generation
from neuronc.isa.operands import Memory, Operand
from neuronc.runtime.accesses import Accesses, tiles_of
from neuronc.runtime.clocks import Order

Ints = NDArray[np.int64]


def unwritten_read(accesses: Accesses, order: Order, hw: Generation) -> int | None:
    """The first access that reads a byte on chip that none before it has written.

    What was written stays so, hence only the first read and the first write of each place matter.
    """
    shadow = _Shadow.of(hw)
    for row, is_write in _first_events(accesses, _times(accesses, order)):
        written = shadow.view(accesses.operand(row))
        if is_write:
            written[...] = 1
        elif not written.all():
            return row
    return None


def stale_read(accesses: Accesses, order: Order, hw: Generation) -> int | None:
    """An access that reads a tile after another tile was written over it, and not it since."""
    time = _times(accesses, order)
    number, low, high = tiles_of(accesses.places)
    tile = number[accesses.place]
    chip = accesses.places["memory"][accesses.place] != Memory.HBM
    for i in np.unique(tile[chip]).tolist():
        others = (low < high[i]) & (low[i] < high)
        others[i] = False
        over = np.sort(time[others[tile] & accesses.write])
        if not len(over):
            continue
        reads = np.flatnonzero((tile == i) & accesses.read)
        writes = np.sort(time[(tile == i) & accesses.write])
        late = _last_before(over, time[reads]) > _last_before(writes, time[reads])
        if late.any():
            return int(reads[np.argmax(late)])
    return None


def _last_before(events: Ints, times: Ints) -> Ints:
    """The last of the sorted events before each time; -1 where there is none."""
    return np.concatenate([[-1], events])[np.searchsorted(events, times)]


def _times(accesses: Accesses, order: Order) -> Ints:
    """When the record of each access runs."""
    engines = np.array([engine for engine, _ in order], np.int64)
    time = np.zeros(len(accesses.index), np.int64)
    for engine in np.unique(engines).tolist():
        mine = accesses.engine == engine
        time[mine] = np.flatnonzero(engines == engine)[accesses.index[mine]]
    return time


def _first_events(accesses: Accesses, time: Ints) -> list[tuple[int, bool]]:
    """(access, whether it writes): the first read and write of each place, in order of time."""
    chip = accesses.places["memory"][accesses.place] != Memory.HBM
    events: list[tuple[int, bool, int]] = []
    for flags, is_write in ((accesses.read, False), (accesses.write, True)):
        rows = np.flatnonzero(flags & chip)
        rows = rows[np.argsort(time[rows], kind="stable")]
        _, first = np.unique(accesses.place[rows], return_index=True)
        events += [(int(time[row]), is_write, int(row)) for row in rows[first]]
    # A record reads before it writes, and False sorts before True.
    return [(row, is_write) for _, is_write, row in sorted(events)]


@dataclass(frozen=True)
class _Shadow:
    """One flag a byte of SBUF and PSUM, laid out like `memory.Core`: whether it was written."""

    flags: dict[Memory, NDArray[np.uint8]]
    partitions: int

    @staticmethod
    def of(hw: Generation) -> _Shadow:
        sizes = {
            Memory.SBUF: hw.sbuf_bytes_per_partition,
            Memory.PSUM: hw.psum_bytes_per_partition,
        }
        flags = {memory: np.zeros(hw.partitions * n, np.uint8) for memory, n in sizes.items()}
        return _Shadow(flags, hw.partitions)

    def view(self, operand: Operand) -> NDArray[np.uint8]:
        """The flags of an operand's bytes."""
        size = BY_CODE[operand.dtype].bytes
        start = self.partitions * operand.tile_start + operand.partition_start * operand.tile_bytes
        strides = (operand.tile_bytes, *(step * size for step in operand.steps), 1)
        flags, offset = self.flags[operand.memory], start + operand.offset
        return np.ndarray((*operand.shape, size), np.uint8, flags, offset, strides)
