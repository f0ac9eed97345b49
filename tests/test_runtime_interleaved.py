"""Products of rows that lie in turns: which are one matrix, and their values."""

from __future__ import annotations

import numpy as np
import pytest

from neuronc.runtime import interleaved
from neuronc.runtime.windows import Products

ROWS, PARTS, HEADS, WIDTH = 16, 4, 2, 32


def operands(
    chance: np.random.Generator, columns: int, gap: int = 0
) -> list[tuple[np.ndarray, np.ndarray]]:
    """One pair a part: values [rows, heads, width] of a cache, weights [rows, columns]."""
    cache = chance.standard_normal((HEADS, ROWS, PARTS, WIDTH)).astype(np.float32)
    if gap:
        apart = np.zeros((HEADS, ROWS, PARTS + gap, WIDTH), np.float32)
        apart[:, :, :PARTS] = cache
        cache = apart
    weights = chance.standard_normal((ROWS, columns + 3, PARTS)).astype(np.float32)
    return [(cache[:, :, j].swapaxes(0, 1), weights[:, :columns, j]) for j in range(PARTS)]


@pytest.mark.parametrize("columns", [1, 2, 5])
@pytest.mark.parametrize("accumulate", [False, True])
@pytest.mark.parametrize("gap", [0, 1])
def test_sums_of_products_of_parts(columns: int, accumulate: bool, gap: int) -> None:
    """One rounding for each of K products, of magnitudes added up; with a gap it is no matrix."""
    pairs = operands(np.random.default_rng(columns), columns, gap)
    dst = np.ones((HEADS * WIDTH, columns), np.float32)
    room = np.empty((ROWS * PARTS, columns), np.float32)
    found = interleaved.bind_interleaved(dst, pairs, accumulate, room)
    assert (found is None) == bool(gap)
    for _ in range(2):
        dst[...] = 1
        Products(dst, pairs, accumulate)()
    flat = [(one.reshape(ROWS, -1).astype(np.float64), two) for one, two in pairs]
    exact = sum(one.T @ two for one, two in flat) + accumulate
    size = sum(abs(one).T @ abs(two) for one, two in flat) + 1
    assert (abs(dst - exact) <= (ROWS * PARTS + 1) * 2.0**-24 * size).all()


def test_each_head_is_read_as_one_matrix() -> None:
    pairs = operands(np.random.default_rng(0), columns=5)
    dst, room = np.zeros((HEADS * WIDTH, 5), np.float32), np.empty((ROWS * PARTS, 5), np.float32)
    calls = interleaved.bind_interleaved(dst, pairs, False, room)
    assert calls is not None
    assert len(calls) == 1 + HEADS


def test_short_runs_and_other_types_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = operands(np.random.default_rng(0), columns=2)
    dst, room = np.zeros((HEADS * WIDTH, 2), np.float32), np.empty((ROWS * PARTS, 2), np.float32)
    uneven = [pairs[0], pairs[2], pairs[1], pairs[3]]
    halves = [(one.astype(np.float16), two) for one, two in pairs]
    for other in (uneven, halves):
        assert interleaved.bind_interleaved(dst, other, False, room) is None
    monkeypatch.setattr(interleaved, "RUN_MIN", WIDTH + 1)
    assert interleaved.bind_interleaved(dst, pairs, False, room) is None
