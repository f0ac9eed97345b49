"""Reductions of windows and rows in two steps, against NumPy's of each."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from neuronc.numerics import REDUCTIONS
from neuronc.runtime.reduction import reduce

SEED = 7
NUMPY = {"maximum": np.max, "minimum": np.min}


@pytest.mark.parametrize("name", NUMPY)
@pytest.mark.parametrize(
    ("window", "step"),
    [((3, 3), 2), ((2, 2), 2), ((3, 3), 1), ((1, 3), 2), ((3, 1), 1), ((2, 2), 3)],
    ids=["overlapping", "side by side", "dense", "of a row", "of a column", "with gaps"],
)
def test_windows_are_reduced_as_numpy_does(name: str, window: tuple[int, int], step: int) -> None:
    image = np.random.default_rng(SEED).standard_normal((70, 41, 57)).astype(np.float32)
    image[3, 5, 7], image[9] = np.nan, -np.inf
    windows = sliding_window_view(image, window, axis=(1, 2))[:, ::step, ::step]
    code = next(row.code for row in REDUCTIONS.values() if row.ufunc.__name__ == name)
    dst = np.empty(windows.shape[:3], np.float32)
    reduce(code, dst, windows, 2)()
    np.testing.assert_array_equal(dst, NUMPY[name](windows, axis=(-2, -1)))


@pytest.mark.parametrize("name", NUMPY)
@pytest.mark.parametrize("step", [1, 2], ids=["even", "uneven"])
def test_short_rows_are_reduced_as_numpy_does(name: str, step: int) -> None:
    rows = np.random.default_rng(SEED).standard_normal((64, 8, 40)).astype(np.float32)
    rows[3, 5, 7], rows[9] = np.nan, -np.inf
    src, dst = rows[:, ::step, :32], np.zeros((64, 8), np.float32)[:, ::step]
    code = next(row.code for row in REDUCTIONS.values() if row.ufunc.__name__ == name)
    reduce(code, dst, src, 1)()
    np.testing.assert_array_equal(dst, NUMPY[name](src, axis=-1))
