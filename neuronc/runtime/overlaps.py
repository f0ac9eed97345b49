"""Which places share bytes: rows of a table of spans, by array arithmetic.

A row is the span of `views.span_of`, and -1 where the place has all bytes there: space, first byte,
end, the name that rows of the same pitch share, and the bytes taken of each row.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from neuronc.runtime.accesses import SPACE, Ints
from neuronc.runtime.races import overlapping

Rows = list[list[int]]
"""A list of others for each place."""
_NONE = np.zeros(0, np.int64)


def overlaps_of(table: Ints, start: int) -> tuple[Rows, Rows]:
    """For each place those that share a byte with it, or might; and those of them inside it.

    Only pairs of which one is in row `start` or later.
    """
    count = len(table)
    low, high = table[:, 0] * SPACE + table[:, 1], table[:, 0] * SPACE + table[:, 2]
    shared, held = [_NONE], [_NONE]
    for i, j in overlapping(low, high, itself=False):
        late = np.maximum(i, j) >= start
        i, j = i[late], j[late]
        one, other = table[i], table[j]
        beside = (one[:, 3] > 0) & (one[:, 3] == other[:, 3])
        beside &= (other[:, 4] >= one[:, 5]) | (one[:, 4] >= other[:, 5])
        i, j = i[~beside], j[~beside]
        for outer, inner in ((i, j), (j, i)):
            pairs = outer * count + inner
            shared.append(pairs)
            held.append(pairs[_holds(table[outer], table[inner])])
    return _rows(shared, count), _rows(held, count)


def _rows(pairs: Sequence[Ints], count: int) -> Rows:
    """For each of `count` rows the sorted columns of its pairs, given as `row * count + column`."""
    ordered = np.sort(np.concatenate(pairs))
    columns: list[int] = (ordered % max(count, 1)).tolist()
    starts: list[int] = np.searchsorted(ordered, np.arange(count + 1) * count).tolist()
    return [columns[start:stop] for start, stop in pairwise(starts)]


def _holds(outer: Ints, inner: Ints) -> np.ndarray:
    """Whether each outer place, which has no gaps in its rows, has all bytes of the inner one."""
    within = (outer[:, 6] < 0) & (outer[:, 1] <= inner[:, 1]) & (inner[:, 2] <= outer[:, 2])
    width, pitch = outer[:, 5] - outer[:, 4], (outer[:, 3] & 0xFFFFFFFF) - 1
    one_run = (width == pitch) | (outer[:, 2] - outer[:, 1] == width)
    same_rows = (outer[:, 3] > 0) & (outer[:, 3] == inner[:, 3])
    same_rows &= (outer[:, 4] <= inner[:, 4]) & (inner[:, 5] <= outer[:, 5])
    return within & (one_run | same_rows)
