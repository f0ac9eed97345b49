"""Find which records conflict: the pairs of which the later has to follow the earlier.

Two records conflict where both touch a byte and one of them writes it. What another pair implies
through a write of the very same bytes is left out. All is done by whole columns, so that a hundred
thousand records are a matter of sorting.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neuronc.backend.emit import Emitted
from neuronc.isa.operands import Memory

Numbers = NDArray[np.int64]
_FIELD = (1 << 30) - 1


@dataclass(frozen=True)
class Places:
    """The distinct runs of bytes that a kernel's operands name."""

    numbers: Numbers
    """[records, slots]: the run of each operand, or -1 where nothing can conflict."""
    one: Numbers
    """With `other`: every pair of runs that share bytes, also each with itself, sorted."""
    other: Numbers


@dataclass(frozen=True)
class Dependences:
    """Pairs of records, each pair once, sorted by the later record."""

    earlier: Numbers
    later: Numbers
    first_reader: Numbers
    """Per record, the first one that follows a write of it, or itself."""


def places_of(emitted: Emitted) -> Places:
    """Number the distinct runs of bytes, and find which overlap."""
    words = emitted.records["operands"]
    memory = words["memory"].astype(np.int64)
    hbm = memory == Memory.HBM
    start = np.where(hbm, words["buffer"], words["tile_start"]).astype(np.int64)
    size = np.where(hbm, 1, words["tile_bytes"]).astype(np.int64)
    # One number for (memory, start, size), which sorts far faster than rows.
    keys = (memory << 60 | start << 30 | size).reshape(-1)
    packed, inverse = np.unique(keys, return_inverse=True)
    numbers: Numbers = inverse.reshape(memory.shape)
    numbers[memory == Memory.NONE] = -1
    numbers[hbm & ~_written_buffers(words, emitted.written)[words["buffer"]]] = -1
    return Places(numbers, *_overlaps(packed))


def dependences(emitted: Emitted) -> Dependences:
    """All pairs, from the last write of each run of bytes and the reads since."""
    places, count = places_of(emitted), len(emitted.records)
    rows, slots = np.nonzero(places.numbers >= 0)
    at, writes = places.numbers[rows, slots], emitted.written[rows, slots]
    write_keys = np.sort(at[writes] * count + rows[writes])
    read_keys = np.sort(at[~writes] * count + rows[~writes])
    # Every access looks at all the runs that its own shares bytes with.
    which, pair = _ranges(*_range_of(places.one, at))
    row, other = rows[which], places.other[pair]
    # A write of the very same run has followed all that was before it.
    since = np.maximum(
        _last(write_keys, at[which], row, count), last := _last(write_keys, other, row, count)
    )
    direct = (last >= 0) & (last == since)
    first_reader = np.full(count, count)
    np.minimum.at(first_reader, last[direct], row[direct])
    settled = np.flatnonzero(writes[which])
    low = np.searchsorted(read_keys, other[settled] * count + since[settled] + 1)
    high = np.searchsorted(read_keys, other[settled] * count + row[settled])
    reader_of, reader = _ranges(low, high)
    later = np.concatenate([row[direct], row[settled[reader_of]]])
    earlier = np.concatenate([last[direct], read_keys[reader] % max(count, 1)])
    # Overlaps give a pair more than once; sorting beats the hashing of `np.unique`.
    pairs = np.sort(later * count + earlier)
    pairs = pairs[np.diff(pairs, prepend=-1) > 0]
    later, earlier = np.divmod(pairs, max(count, 1))
    first_reader = np.where(first_reader < count, first_reader, np.arange(count))
    return Dependences(earlier, later, first_reader)


def _last(keys: Numbers, place: Numbers, row: Numbers, count: int) -> Numbers:
    """The last record before each `row` among `keys` of a place, or -1."""
    at = np.searchsorted(keys, place * count + row) - 1
    found = keys[at] if len(keys) else np.full(len(at), -1)
    return np.where((at >= 0) & (found >= place * count), found - place * count, -1)


def _overlaps(packed: Numbers) -> tuple[Numbers, Numbers]:
    """The pairs that share bytes, of runs sorted by memory and start."""
    memory, start = packed >> 60 << 30, packed >> 30 & _FIELD
    low, high = memory + start, memory + start + (packed & _FIELD)
    # Runs that end before this one starts are behind it up to where one reached further.
    first = np.searchsorted(np.maximum.accumulate(high), low, side="right")
    one, other = _ranges(first, np.searchsorted(low, high))  # nothing for an empty run
    shared = (high[other] > low[one]) | (one == other)
    return one[shared], other[shared]


def _range_of(sorted_values: Numbers, values: Numbers) -> tuple[Numbers, Numbers]:
    return (
        np.searchsorted(sorted_values, values),
        np.searchsorted(sorted_values, values, side="right"),
    )


def _ranges(low: Numbers, high: Numbers) -> tuple[Numbers, Numbers]:
    """All numbers of some half-open ranges, after the number of the range of each."""
    sizes = np.maximum(high - low, 0)
    which = np.repeat(np.arange(len(low)), sizes)
    within = np.arange(len(which)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return which, low[which] + within


def _written_buffers(words: np.ndarray, written: np.ndarray) -> np.ndarray:
    """Which HBM buffers the kernel writes; the others never conflict."""
    flags = np.zeros(int(words["buffer"].max(initial=0)) + 1, np.bool_)
    flags[words["buffer"][written & (words["memory"] == Memory.HBM)]] = True
    return flags
