"""Rows of a value, as narrow as what is used of them: the same elements, in fewer bytes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from neuronc.dtypes import BY_NAME
from neuronc.isa.operands import Memory
from neuronc.runtime.narrow import narrow
from neuronc.runtime.views import View, span_of

F32 = BY_NAME["f32"].code
PITCH, ROWS = 2048, 128


def view(
    column: int, shape: tuple[int, ...], strides: tuple[int, ...], row: int = 0, phase: int = 512
) -> View:
    """A view of a tile that starts at byte 512; offsets in bytes from a row's start."""
    return View(Memory.SBUF, F32, phase + row * PITCH + column, shape, strides, phase)


def test_a_column_becomes_a_stretch() -> None:
    found = narrow([view(64, (ROWS, 1), (PITCH, 4)), view(64, (64, 1), (PITCH, 4), row=64)])
    assert found is not None
    assert [(v.offset, v.strides) for v in found] == [(0, (4, 4)), (256, (4, 4))]


@pytest.mark.parametrize("seed", range(50))
def test_each_element_stays_itself(seed: int) -> None:
    """Elements of two views are one byte before if and only if they are one after."""
    chance = np.random.default_rng(seed)
    width = int(chance.integers(1, 40))
    views: list[View] = []
    for _ in range(4):
        row, rows = int(chance.integers(0, 8)), int(chance.integers(1, 8))
        column, columns = int(chance.integers(0, width)), int(chance.integers(1, 9))
        made = view(128 + 4 * column, (rows, columns), (PITCH, 4), row)
        # Of a tile that starts some rows later, or earlier.
        views.append(replace(made, phase=made.phase + PITCH * int(chance.integers(-2, 3))))
    found = narrow(views)
    assert found is not None
    before, after = _elements(views), _elements(found)
    pairs = set(zip(before, after, strict=True))
    assert len(pairs) == len(set(before)) == len(set(after))
    ends = [span_of(v)[0][2] for v in found]
    columns = {(at - 512) % PITCH for at in before}
    assert min(after) >= 0
    assert max(ends) <= 16 * (max(columns) - min(columns) + 4)


def _elements(views: list[View]) -> list[int]:
    return [v.offset + int(np.dot(at, v.strides)) for v in views for at in np.ndindex(*v.shape)]


@pytest.mark.parametrize(
    "views",
    [
        [view(0, (ROWS, 512), (PITCH, 4))],
        [view(0, (ROWS, 8), (PITCH, 4)), view(0, (ROWS, 8), (2 * PITCH, 4))],
        [view(0, (ROWS, 8), (PITCH, 4)), view(0, (ROWS, 8), (PITCH, 4), phase=516)],
        [view(PITCH - 8, (ROWS, 4), (PITCH, 4))],
        [view(0, (ROWS, 8), (-PITCH, 4), row=ROWS - 1)],
    ],
    ids=["full", "other distances", "other tiles", "across rows", "backwards"],
)
def test_other_rows_stay_as_they_are(views: list[View]) -> None:
    assert narrow(views) is None
