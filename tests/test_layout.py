"""Windows of a value's buffer, on chip: judged by laying an array out element by element."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuronc.dialects.access import Access, Affine
from neuronc.passes.layout import Layout, parse_layout, print_layout

LANES = 4
Window = tuple[Layout, int, list[int], list[int], int, int, list[tuple[int, int]]]
"""A layout; base, loop moves and counts, lanes, step and free pairs of a window."""
LAYOUTS = st.builds(Layout, st.integers(1, 12), st.integers(1, 12), st.just(LANES), st.booleans())


def on_chip(layout: Layout) -> np.ndarray:
    """[partitions, columns]: which element of the buffer each place holds; -1 for none."""
    block = np.full((layout.partitions, layout.block_columns), -1)
    for r, c in product(range(layout.rows), range(layout.columns)):
        spread, kept, run = (c, r, layout.rows) if layout.across else (r, c, layout.columns)
        block[spread % LANES, spread // LANES * run + kept] = r * layout.columns + c
    return block


def elements(base: int, lanes: int, step: int, free: list[tuple[int, int]]) -> np.ndarray:
    total = base + step * np.arange(lanes)
    for move, count in free:
        total = total[..., None] + move * np.arange(count)
    return total


def reached(block: np.ndarray, access: Access, index: list[int]) -> np.ndarray:
    column = access.offset.constant
    column += sum(c * i for c, i in zip(access.offset.coefficients, index, strict=False))
    columns = elements(column, 1, 0, list(access.pairs))[0]
    partitions = access.partition_start + np.arange(access.partitions)
    return block[partitions.reshape(-1, *[1] * columns.ndim), columns]


@st.composite
def windows(draw: st.DrawFn) -> Window:
    """A layout, and some window that a tiled loop might read of its buffer."""
    layout = draw(LAYOUTS)
    steps = [1, -1, -2, layout.columns, LANES, LANES * layout.columns, 2, 3 * layout.columns]
    step = st.sampled_from(steps)
    free = draw(st.lists(st.tuples(step, st.integers(1, 4)), max_size=2))
    loops = draw(st.lists(st.tuples(step, st.integers(1, 3)), max_size=2))
    lanes = draw(st.integers(1, LANES))
    base = draw(st.integers(0, layout.rows * layout.columns - 1))
    return layout, base, [s for s, _ in loops], [n for _, n in loops], lanes, draw(step), free


@settings(max_examples=500, deadline=None)
@given(windows())
def test_an_access_on_chip_reaches_the_elements_that_the_window_names(
    window: Window,
) -> None:
    layout, base, moves, loops, lanes, step, free = window
    access = layout.access(Affine(base, tuple(moves)), (0, lanes), step, free, loops)
    if access is None:
        return
    block = on_chip(layout)
    for index in product(*(range(n) for n in loops)):
        start = base + sum(m * i for m, i in zip(moves, index, strict=True))
        wanted = elements(start, lanes, step, free)
        assert (reached(block, access, list(index)) == wanted).all()


@pytest.mark.parametrize("across", [False, True])
def test_tiles_along_a_layout_have_an_access(across: bool) -> None:
    layout = Layout(8, 6, LANES, across)
    if across:
        # Columns 4 and 5 of all rows: partitions 0 and 1 of the second run of rows.
        access = layout.access(Affine(4), (0, 2), 1, [(6, 8)], [])
        assert access == Access(Affine(8), ((1, 8),), 0, 2)
    else:
        # Rows 4 i to 4 i + 3, columns 2 to 4.
        access = layout.access(Affine(2, (24,)), (0, 4), 6, [(1, 3)], [2])
        assert access == Access(Affine(2, (6,)), ((1, 3),), 0, 4)


def test_a_row_may_be_read_backwards() -> None:
    access = Layout(8, 6, LANES).access(Affine(5), (0, 4), 6, [(-1, 6)], [])
    assert access == Access(Affine(5), ((-1, 6),), 0, 4)


@pytest.mark.parametrize(
    ("base", "lanes", "step", "free", "why"),
    [
        (Affine(0), 4, 1, [(6, 2)], "columns are not on the partitions"),
        (Affine(6), 4, 6, [(1, 6)], "row 1 is on partition 1, not 0"),
        (Affine(3), 4, 6, [(1, 6)], "the row ends before the window does"),
        (Affine(0, (12,)), 2, 6, [(1, 6)], "every other turn starts on partition 2"),
        (Affine(4), 4, 6, [(-1, 6)], "backwards, the row ends before the window does"),
        (Affine(24), 4, 6, [(-24, 2)], "rows are not walked backwards"),
    ],
)
def test_what_partitions_cannot_follow_has_none(
    base: Affine, lanes: int, step: int, free: list[tuple[int, int]], why: str
) -> None:
    assert Layout(8, 6, LANES).access(base, (0, lanes), step, free, [2]) is None, why


@given(LAYOUTS)
def test_a_layout_reads_back(layout: Layout) -> None:
    assert parse_layout(print_layout(layout), LANES) == layout
    assert parse_layout(print_layout(None), LANES) is None
