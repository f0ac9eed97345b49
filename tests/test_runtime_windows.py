"""Sums of products of windows: whole runs where little is between them, else copied together."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from neuronc.runtime.windows import Products

SEED = 7


def operands(size: int, taps: int, stride: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """One pair a tap: [K, M], and a strided window [K, rows, columns] of an image."""
    rng = np.random.default_rng(SEED)
    image = rng.standard_normal((16, size, size)).astype(np.float32)
    windows = sliding_window_view(image, (taps, taps), axis=(1, 2))[:, ::stride, ::stride]
    return [
        (rng.standard_normal((16, 24)).astype(np.float32), windows[..., y, x])
        for y in range(taps)
        for x in range(taps)
    ]


@pytest.mark.parametrize("accumulate", [False, True])
@pytest.mark.parametrize(
    ("size", "taps", "stride"),
    [(30, 3, 1), (5, 3, 1), (17, 3, 2)],
    ids=["one run", "too short rows", "strided"],
)
def test_sums_of_products_of_windows(size: int, taps: int, stride: int, accumulate: bool) -> None:
    pairs = operands(size, taps, stride)
    before = np.ones((24, pairs[0][1][0].size), np.float32)
    dst = before.copy()
    for _ in range(2):
        dst[...] = before
        Products(dst, pairs, accumulate)()
    flat = [(w.astype(np.float64), x.reshape(16, -1).astype(np.float64)) for w, x in pairs]
    expected = sum(w.T @ x for w, x in flat) + accumulate
    # One rounding of each of K sums, of magnitudes added up.
    bound = (sum(abs(w).T @ abs(x) for w, x in flat) + 1) * 16 * len(pairs) * 2.0**-24
    assert (abs(dst - expected) <= bound).all()
