"""Products by BLAS on strided views, against float64, with and without the library."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import numpy as np
import pytest

from neuronc.runtime import gemm
from neuronc.runtime.gemm import bind_batch, bind_gemm

EPS = float(np.finfo(np.float32).eps)
LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "rows": np.ascontiguousarray,
    "columns": np.asfortranarray,
    "apart": lambda a: np.repeat(a, 3, axis=1)[:, ::3],
    "parts": lambda a: np.concatenate([a, a], axis=1)[:, : a.shape[1]],
}


@pytest.mark.parametrize("library", [True, False])
@pytest.mark.parametrize(
    "shape", [(5, 7, 9), (1, 7, 9), (5, 7, 1), (1, 1, 1), (128, 64, 96), (16, 256, 96)]
)
def test_every_layout_multiplies_and_adds(
    shape: tuple[int, int, int], library: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not library:
        monkeypatch.setattr(gemm, "cblas", lambda: None)
    chance, (m, k, n) = np.random.default_rng(0), shape
    x, y = (chance.standard_normal(s).astype(np.float32) for s in ((k, m), (k, n)))
    start = chance.standard_normal((m, n)).astype(np.float32)
    # K roundings of sums that are at most the sum of the magnitudes.
    bound = (k + 1) * EPS * (np.abs(x).T @ np.abs(y) + np.abs(start))
    exact = x.astype(np.float64).T @ y.astype(np.float64)
    for to, one, two in product(LAYOUTS.values(), repeat=3):
        for accumulate in (False, True):
            dst = to(start.copy())
            bind_gemm(dst, one(x), two(y), accumulate)()
            wanted = exact + start if accumulate else exact
            assert (np.abs(dst - wanted) <= bound).all()


def test_operands_that_do_not_fit_are_refused() -> None:
    dst, x, y = (np.zeros(s, np.float32) for s in ((4, 4), (8, 4), (9, 4)))
    with pytest.raises(ValueError, match="mismatch"):
        bind_gemm(dst, x, y, accumulate=False)()


def test_a_product_by_columns_is_made_in_memory_of_each_thread() -> None:
    chance = np.random.default_rng(0)
    x, y = (chance.standard_normal(s).astype(np.float32) for s in ((16, 256), (96, 256)))
    dst = np.zeros((16, 96), np.float32)
    call = bind_gemm(dst, x.T, y.T, accumulate=False)
    with ThreadPoolExecutor(2) as threads:
        for done in [threads.submit(call) for _ in range(4)]:
            done.result()
    # K roundings of sums that are at most the sum of the magnitudes.
    assert (np.abs(dst - x @ y.T) <= 257 * EPS * (np.abs(x) @ np.abs(y.T))).all()


@pytest.mark.parametrize("columns", [1, 5])
def test_a_batch_of_unaligned_operands_has_the_same_bits(columns: int) -> None:
    """Bound arrays may lie anywhere: here one matrix by columns, times one vector or a few."""
    chance = np.random.default_rng(0)
    matrix, vectors = (chance.standard_normal((256, n)).astype(np.float32) for n in (384, columns))

    def multiply(matrix: np.ndarray, vectors: np.ndarray) -> np.ndarray:
        dst = np.zeros((3, 128, columns), np.float32)
        left = matrix.reshape(256, 3, 128).swapaxes(0, 1)
        bind_batch(dst, left, np.broadcast_to(vectors, (3, 256, columns)))()
        return dst

    def moved(array: np.ndarray) -> np.ndarray:
        unaligned = bytearray(b"x" + array.tobytes())
        return np.frombuffer(unaligned, np.float32, offset=1).reshape(array.shape)

    wanted = multiply(matrix, vectors)
    np.testing.assert_array_equal(multiply(moved(matrix), vectors), wanted)
    np.testing.assert_array_equal(multiply(matrix, moved(vectors)), wanted)
