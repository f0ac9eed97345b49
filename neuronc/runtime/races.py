"""Find unordered pairs of accesses, by array arithmetic over the places that they share.

The records of another engine that are unordered with a record are one window of its stream (see
`clocks`). Two places that share bytes race if a record that reaches the one has in its window a
record that reaches the other, and one of them writes: for all pairs of places at once that is two
binary searches a record, in the lists of records that reach each place.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from neuronc.isa.operands import Memory, hulls
from neuronc.isa.table import ENGINES, Engine
from neuronc.runtime.accesses import SPACE, Accesses, share_bytes, tiles_of
from neuronc.runtime.clocks import Clocks

Ints = NDArray[np.int64]
Pairs = tuple[Ints, Ints]
_CHUNK = 1 << 20
"""Pairs of places, or records, looked at together: bounds memory, not the result."""
_ANY, _WRITE = 0, 1
_INDEX_BITS = 32


@dataclass(frozen=True)
class Race:
    """Two records that reach the same bytes in either order, one of them writing."""

    one: tuple[Engine, int]
    other: tuple[Engine, int]
    memory: Memory


@dataclass(frozen=True)
class _Lists:
    """For every (location, engine, any or write): the records that reach it, in order."""

    keys: Ints
    """Number of the list and position in the stream, as one sortable number."""
    rows: Ints
    """The access behind each key."""
    bounds: Ints
    """Where each list starts, and the end."""

    @staticmethod
    def of(accesses: Accesses, location: Ints, locations: int) -> _Lists:
        """Sort the accesses into lists."""
        written = np.flatnonzero(accesses.write)
        rows = np.concatenate([np.arange(len(location)), written])
        kind = np.repeat([_ANY, _WRITE], [len(location), len(written)])
        number = _number(location[rows], accesses.engine[rows], kind)
        keys = (number << _INDEX_BITS) | accesses.index[rows]
        order = np.argsort(keys)
        sizes = np.bincount(number, minlength=2 * len(ENGINES) * locations)
        return _Lists(keys[order], rows[order], np.concatenate([[0], np.cumsum(sizes)]))

    def sizes(self, numbers: Ints) -> Ints:
        """Length of some lists."""
        return self.bounds[numbers + 1] - self.bounds[numbers]

    def find(self, numbers: Ints, index: Ints) -> Ints:
        """In each list, the first key at or after a position."""
        return np.searchsorted(self.keys, (numbers << _INDEX_BITS) | index)


def find_race(accesses: Accesses, clocks: Clocks) -> Race | None:
    """Two records that no wait orders; None if there are none.

    Different tiles at overlapping addresses must never be alive together, so there the whole tile
    counts; within a tile or a buffer it is the bytes themselves.
    """
    accesses = _contended(accesses)
    tile, low, high = tiles_of(accesses.places)
    lists = _Lists.of(accesses, tile[accesses.place], len(low))
    for pairs in overlapping(low, high, itself=False):
        for one, other in _unordered(lists, pairs, clocks):
            return _race(accesses, int(one[0]), int(other[0]))
    return _race_within(accesses, tile, clocks)


def _race_within(accesses: Accesses, tile: Ints, clocks: Clocks) -> Race | None:
    """The same inside tiles and buffers: by the extent first, by the very bytes where that hits."""
    places = accesses.places
    low, high = hulls(places)
    lists = _Lists.of(accesses, accesses.place, len(places))
    apart: set[tuple[int, int]] = set()
    for pairs in overlapping(tile * SPACE + low, tile * SPACE + high, itself=True):
        for one, other in _unordered(lists, _in_partitions(places, pairs), clocks):
            at = np.stack([accesses.place[one], accesses.place[other]])
            at, first = np.unique(at, axis=1, return_index=True)
            for i, j, row in zip(*at.tolist(), first.tolist(), strict=True):
                if (i, j) in apart:
                    continue
                if share_bytes(places[i], places[j]):
                    return _race(accesses, int(one[row]), int(other[row]))
                apart.add((i, j))
    return None


def _race(accesses: Accesses, one: int, other: int) -> Race:
    first, second = sorted((accesses.at(one), accesses.at(other)))
    memory = Memory(int(accesses.places["memory"][accesses.place[one]]))
    return Race(first, second, memory)


def _contended(accesses: Accesses) -> Accesses:
    """Without the HBM buffers that nobody writes, or that one engine alone reaches."""
    words = accesses.places[accesses.place]
    hbm, group = words["memory"] == Memory.HBM, words["buffer"].astype(np.int64)
    reached = np.zeros((int(group.max(initial=0)) + 1, len(ENGINES)), np.bool_)
    reached[group[hbm], accesses.engine[hbm]] = True
    written = np.zeros(len(reached), np.bool_)
    written[group[hbm & accesses.write]] = True
    contended = written & (reached.sum(axis=1) > 1)
    return accesses.where(~hbm | contended[group])


def overlapping(low: Ints, high: Ints, itself: bool) -> Iterator[Pairs]:
    """All pairs of overlapping spans, each once, in chunks; with or without (i, i)."""
    order = np.argsort(low)
    first = np.arange(len(low)) + (0 if itself else 1)
    counts = np.searchsorted(low[order], high[order]) - first
    for rows in _chunks(counts):
        i = np.repeat(rows, counts[rows])
        yield order[i], order[_ranges(first[rows], counts[rows])]


def _in_partitions(places: np.ndarray, pairs: Pairs) -> Pairs:
    """The pairs that share partitions, or lie in HBM."""
    start = places["partition_start"].astype(np.int64)
    stop = start + places["partitions"]
    i, j = pairs
    shared = (start[i] < stop[j]) & (start[j] < stop[i])
    shared |= (places["memory"] == Memory.HBM)[i]
    return i[shared], j[shared]


def _unordered(lists: _Lists, pairs: Pairs, clocks: Clocks) -> Iterator[tuple[Ints, Ints]]:
    """Rows of unordered accesses at paired locations, one of each pair a write."""
    for one, other in permutations(clocks.finished, 2):
        for kinds in ((_WRITE, _ANY), (_ANY, _WRITE)):
            left, right = _number(pairs[0], one, kinds[0]), _number(pairs[1], other, kinds[1])
            sizes = lists.sizes(left), lists.sizes(right)
            both = (sizes[0] > 0) & (sizes[1] > 0)
            shorter = sizes[0] <= sizes[1]
            for source, target, engines, use in (
                (left, right, (one, other), both & shorter),
                (right, left, (other, one), both & ~shorter),
            ):
                yield from _search(lists, source[use], target[use], engines, clocks)


def _search(
    lists: _Lists, source: Ints, target: Ints, engines: tuple[Engine, Engine], clocks: Clocks
) -> Iterator[tuple[Ints, Ints]]:
    """For each record of the lists `source`, one in its window of the list `target`."""
    counts = lists.sizes(source)
    for rows in _chunks(counts):
        at = _ranges(lists.bounds[source[rows]], counts[rows])
        number = np.repeat(target[rows], counts[rows])
        records = lists.keys[at] & ((1 << _INDEX_BITS) - 1)
        start, stop = clocks.window(engines[0], records, engines[1])
        found = lists.find(number, start)
        raced = found < lists.find(number, stop)
        if raced.any():
            yield lists.rows[at[raced]], lists.rows[found[raced]]


def _number(location: Ints, engine: Ints | int, kind: Ints | int) -> Ints:
    return (location * len(ENGINES) + engine) * 2 + kind


def _chunks(counts: Ints) -> Iterator[Ints]:
    """Indices of the counts that are not 0, cut where their sum passes a limit."""
    rows = np.flatnonzero(counts > 0)
    part = np.cumsum(counts[rows]) // _CHUNK
    yield from np.split(rows, np.flatnonzero(np.diff(part)) + 1)


def _ranges(start: Ints, counts: Ints) -> Ints:
    """start[0], start[0] + 1, ... (counts[0] numbers), start[1], ..."""
    ends = np.cumsum(counts)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(start - ends + counts, counts)
