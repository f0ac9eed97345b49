"""Blocks transposed by OpenBLAS: where, and that it is the same block."""

from __future__ import annotations

import numpy as np
import pytest

from neuronc.runtime.blas import cblas
from neuronc.runtime.turning import bind_turned

needs_blas = pytest.mark.skipif(
    not (found := cblas()) or found.somatcopy is None, reason="NumPy has another BLAS"
)


@needs_blas
@pytest.mark.parametrize(("rows", "columns"), [(128, 128), (2, 3), (64, 128), (7, 130), (128, 5)])
@pytest.mark.parametrize("pad", [0, 1, 64])
@pytest.mark.parametrize("by_columns", [False, True])
def test_a_block_is_transposed(rows: int, columns: int, pad: int, by_columns: bool) -> None:
    """Every float but NaN, whose bits may change, is the same afterwards."""
    chance = np.random.default_rng(rows * columns + pad)
    bits = chance.integers(0, 1 << 32, (columns, rows + pad), np.uint32).view(np.float32)
    src, room = bits[:, :rows].T, np.full((rows + 2, columns + pad), 7, np.float32)
    dst = room[1:-1, :columns]
    call = bind_turned(dst.T, src.T) if by_columns else bind_turned(dst, src)
    assert call is not None
    call()
    assert np.array_equal(dst, src, equal_nan=True)
    # Nothing beside it is touched.
    room[1:-1, :columns] = 7
    assert (room == 7).all()


@needs_blas
@pytest.mark.parametrize("axes", [(2, 1, 0), (0, 2, 1), (1, 2, 0)])
def test_blocks_of_three_dimensions_are_transposed(axes: tuple[int, int, int]) -> None:
    """The taps of a filter [M, K, T] as [T, K, M] in rows [K, T, M], and a matrix after another."""
    src = np.random.default_rng(1).standard_normal((40, 32, 36)).astype(np.float32)
    turned = src.transpose(axes)
    dst = np.zeros(turned.shape, np.float32)
    if axes == (2, 1, 0):
        dst = np.zeros((32, 36, 40), np.float32).transpose(1, 0, 2)
    call = bind_turned(dst, turned)
    assert call is not None
    call()
    assert np.array_equal(dst, turned)


def test_what_is_no_transposition_is_left_to_numpy() -> None:
    block = np.zeros((8, 8), np.float32)
    other = np.zeros((8, 8), np.float32)
    assert bind_turned(block, other) is None
    assert bind_turned(block.T, other.T) is None
    assert bind_turned(block, block.T) is None
    assert bind_turned(block.view(np.int32), other.view(np.int32).T) is None
    assert bind_turned(block[:1], other.T[:1]) is None
    assert bind_turned(block, other[:, ::-1].T) is None
    assert bind_turned(block[:, ::2], other[::2].T) is None
    assert bind_turned(np.zeros((3, 4, 5), np.float32), np.zeros((5, 4, 3), np.float32).T) is None
