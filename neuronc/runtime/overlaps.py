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
    space, low, high, name, left, right, _ = np.ascontiguousarray(table.T)
    shared, held = [_NONE], [_NONE]
    for i, j in overlapping(space * SPACE + low, space * SPACE + high, itself=False):
        late = np.maximum(i, j) >= start
        i, j = i[late], j[late]
        beside = (name[i] > 0) & (name[i] == name[j])
        beside &= (left[j] >= right[i]) | (left[i] >= right[j])
        i, j = i[~beside], j[~beside]
        for outer, inner in ((i, j), (j, i)):
            shared.append(outer * len(table) + inner)
            outer, inner = _held(table, outer, inner)
            held.append(outer * len(table) + inner)
    return _rows(shared, len(table)), _rows(held, len(table))


def _rows(pairs: Sequence[Ints], count: int) -> Rows:
    """For each of `count` rows the sorted columns of its pairs, given as `row * count + column`."""
    ordered = np.sort(np.concatenate(pairs))
    columns: list[int] = (ordered % max(count, 1)).tolist()
    starts: list[int] = np.searchsorted(ordered, np.arange(count + 1) * count).tolist()
    return [columns[start:stop] for start, stop in pairwise(starts)]


def _held(table: Ints, outer: Ints, inner: Ints) -> tuple[Ints, Ints]:
    """The pairs whose outer place, with no gaps in its rows, has all bytes of the inner one."""
    _, low, high, name, left, right, gaps = np.ascontiguousarray(table.T)
    within = (gaps[outer] < 0) & (low[outer] <= low[inner]) & (high[inner] <= high[outer])
    outer, inner = outer[within], inner[within]
    width, pitch = right - left, (name & 0xFFFFFFFF) - 1
    one_run = (width == pitch) | (high - low == width)
    same_rows = (name[outer] > 0) & (name[outer] == name[inner])
    same_rows &= (left[outer] <= left[inner]) & (right[inner] <= right[outer])
    holds = one_run[outer] | same_rows
    return outer[holds], inner[holds]
