"""The memories of one core as NumPy arrays, and the views that operands are of them.

A tile's partitions lie one after the other, each contiguous: byte b of partition p of a tile that
starts at byte s of the partition is at `128 * s + p * tile_bytes + b`. Tiles overlap in these
arrays exactly where they overlap on chip, and a whole tile is one contiguous run, which is what
makes NumPy fast on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neuronc.dtypes import BY_CODE
from neuronc.errors import ExecutionError
from neuronc.hardware import Generation
from neuronc.isa.operands import Memory, Operand

Bytes = NDArray[np.uint8]
Array = NDArray[np.generic]
POISON = 0xFF
"""All bits set: NaN in every float type that has one, -1 in integers."""


@dataclass(frozen=True)
class Core:
    """SBUF and PSUM of one core."""

    sbuf: Bytes
    psum: Bytes
    partitions: int

    @staticmethod
    def of(hw: Generation) -> Core:
        """Memories of a generation's size."""
        return Core(
            np.zeros(hw.partitions * hw.sbuf_bytes_per_partition, np.uint8),
            np.zeros(hw.partitions * hw.psum_bytes_per_partition, np.uint8),
            hw.partitions,
        )

    def poison(self) -> None:
        """Fill everything so that a read before a write shows."""
        self.sbuf.fill(POISON)
        self.psum.fill(POISON)

    def view(self, operand: Operand) -> Array:
        """The [P, ...] window of an on-chip operand."""
        base = self.sbuf if operand.memory is Memory.SBUF else self.psum
        dtype = BY_CODE[operand.dtype].numpy
        start = self.partitions * operand.tile_start + operand.partition_start * operand.tile_bytes
        size = dtype.itemsize
        strides = (operand.tile_bytes, *(step * size for step in operand.steps))
        return np.ndarray(operand.shape, dtype, base, start + operand.offset, strides)


def hbm_view(operand: Operand, buffers: Sequence[Bytes]) -> Array:
    """The window of an HBM operand over the buffers of a call."""
    dtype = BY_CODE[operand.dtype].numpy
    strides = tuple(step * dtype.itemsize for step in operand.steps)
    return window(buffers[operand.buffer], operand.counts, dtype, operand.offset, strides)


def window(
    base: Bytes, shape: tuple[int, ...], dtype: np.dtype, offset: int, strides: tuple[int, ...]
) -> Array:
    """A strided view of a buffer; NumPy checks that it stays inside.

    Raises:
        ExecutionError: if it does not.
    """
    low, high = offset, offset + dtype.itemsize
    for count, stride in zip(shape, strides, strict=True):
        if stride < 0:
            low += stride * (count - 1)
        else:
            high += stride * (count - 1)
    if low < 0 or high > base.nbytes:
        problem = f"bytes {low} to {high} of a buffer of {base.nbytes} bytes are accessed"
        raise ExecutionError(
            "hbm", problem, "an index is out of bounds, or the file is damaged", code="NRC-0505"
        )
    return np.ndarray(shape, dtype, base, offset, strides)
