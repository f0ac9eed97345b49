"""Operands of an instruction: where an access starts and the (step, count) pairs it walks.

Every operand is one 64-byte word. On chip it names the *tile* it lives in (first byte and bytes in
each partition), so bounds are checked per tile, then an offset and up to four free dimensions; the
partition dimension comes first and always steps by one. In HBM it names a buffer of the kernel and
up to five dimensions. Steps and counts are in elements, offsets in bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from math import prod

import numpy as np
from numpy.typing import NDArray

from neuronc.dtypes import BY_CODE

FREE_DIMENSIONS_MAX = 4
HBM_DIMENSIONS_MAX = 5
ELEMENT_BYTES = np.array([BY_CODE[c].bytes if c in BY_CODE else 1 for c in range(256)], np.int64)
"""Bytes of an element by the code of its type, for whole columns of codes."""


class Memory(IntEnum):
    """Where an operand lives; NONE marks an operand that is not there."""

    NONE = 0
    SBUF = 1
    PSUM = 2
    HBM = 3


OPERAND = np.dtype(
    [
        ("memory", "u1"),
        ("dtype", "u1"),
        ("buffer", "<u2"),
        ("partition_start", "u1"),
        ("partitions", "u1"),
        ("rank", "u1"),
        ("reserved", "u1"),
        ("tile_start", "<u4"),
        ("tile_bytes", "<u4"),
        ("offset", "<i8"),
        ("steps", "<i4", HBM_DIMENSIONS_MAX),
        ("counts", "<u4", HBM_DIMENSIONS_MAX),
    ]
)
"""The word of one operand; `counts` beyond `rank` are 1 so that products need no mask."""


@dataclass(frozen=True)
class Operand:
    """One access, decoded: what the disassembler prints and the executor binds."""

    memory: Memory
    dtype: int
    offset: int
    steps: tuple[int, ...]
    counts: tuple[int, ...]
    buffer: int = 0
    partition_start: int = 0
    partitions: int = 1
    tile_start: int = 0
    tile_bytes: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """Partitions first on chip; the counts alone in HBM."""
        return self.counts if self.memory is Memory.HBM else (self.partitions, *self.counts)


def decode_operands(words: np.ndarray) -> list[Operand | None]:
    """Decode OPERAND words; None where no operand is given."""
    raw, size = words.tobytes(), OPERAND.itemsize
    return [decode_operand(raw[at : at + size]) for at in range(0, len(raw), size)]


@lru_cache(maxsize=1 << 14)
def decode_operand(word: bytes) -> Operand | None:
    """Decode the bytes of an OPERAND word; None where no operand is given.

    The records of a kernel reach few distinct places, so equal words share one operand.
    """
    memory, dtype, buffer, first, partitions, rank, _, *place, steps, counts = np.frombuffer(
        word, OPERAND
    )[0].item()
    if memory == Memory.NONE:
        return None
    tile_start, tile_bytes, offset = place
    return Operand(
        Memory(memory),
        dtype,
        offset,
        tuple(steps[:rank].tolist()),
        tuple(counts[:rank].tolist()),
        buffer,
        first,
        partitions,
        tile_start,
        tile_bytes,
    )


def encode_operand(operand: Operand | None) -> np.ndarray:
    """Encode as a 0-d OPERAND array; None gives the word of an absent operand."""
    word = np.zeros((), OPERAND)
    word["counts"] = 1
    if operand is None:
        return word
    rank = len(operand.counts)
    for name in ("memory", "dtype", "buffer", "partition_start", "partitions"):
        word[name] = getattr(operand, name)
    word["rank"] = rank
    word["tile_start"], word["tile_bytes"] = operand.tile_start, operand.tile_bytes
    word["offset"] = operand.offset
    word["steps"][:rank] = operand.steps
    word["counts"][:rank] = operand.counts
    return word


def columns(words: np.ndarray) -> np.ndarray:
    """Elements per partition of each on-chip operand: the N of the cost formulas."""
    return words["counts"].astype(np.int64).prod(axis=-1)


def hulls(words: np.ndarray) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First byte and end of each operand, inside its tile or buffer."""
    size = ELEMENT_BYTES[words["dtype"]]
    span = (words["counts"].astype(np.int64) - 1) * words["steps"]
    low = words["offset"] + np.minimum(span, 0).sum(axis=-1) * size
    return low, words["offset"] + (np.maximum(span, 0).sum(axis=-1) + 1) * size


def elements(operand: Operand) -> int:
    """How many elements the access touches."""
    return prod(operand.shape)
