"""Matrix products by BLAS, straight on strided views: dst[M, N] (+)= left[K, M].T @ moving[K, N].

OpenBLAS takes rows or columns in any distance and adds to its result, which np.matmul cannot;
calling it through ctypes costs a microsecond and lets go of the interpreter. Where the library or
the layout is missing, NumPy does the same. A single row or column is multiplied by `sgemv`, which
reads the matrix at the speed of memory. A product with a transposed matrix is made by columns.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from neuronc.runtime.blas import Cblas, cblas
from neuronc.runtime.layouts import Call, distance, is_turned, keeping
from neuronc.runtime.memory import Array
from neuronc.runtime.rooms import PerThread, room
from neuronc.runtime.turning import bind_turned

COLUMNS_MIN = 1 << 18
"""Multiply-adds of a product that is worth another call."""
DEPTH_MIN = 2
"""K for each row from which what packing saves is more than what it takes to transpose a result."""
_ROW_MAJOR, _PLAIN, _TURNED = 101, 111, 112
_FLOAT = np.dtype(np.float32)


def bind_gemm(dst: Array, left: Array, moving: Array, accumulate: bool) -> Call:
    """The call that multiplies; dst is float32. Its arguments are made once."""
    fits = len(left) == len(moving) and dst.shape == (left.shape[1], moving.shape[1])
    found = cblas() if fits else None
    if found is not None and all(a.dtype == _FLOAT for a in (dst, left, moving)):
        beta = 1.0 if accumulate else 0.0
        call = (
            _vector(found, dst, left, moving, beta)
            or _by_columns(found, dst, left, moving, accumulate)
            or _matrix(found, dst, left, moving, beta)
        )
        if call is not None:
            return call
    return _by_numpy(dst, left, moving, accumulate)


def bind_batch(dst: Array, left: Array, moving: Array) -> Call:
    """The call that makes several products: dst[B, M, N] = left[B, K, M].T @ moving[B, K, N]."""
    if is_turned(dst[0]):
        # A result by columns is the transposed one by rows.
        dst, left, moving = dst.swapaxes(1, 2), moving, left
    if not (left.flags.aligned and moving.flags.aligned):
        return partial(_multiply_moved, dst, left, moving)
    turned = left.swapaxes(1, 2)
    return lambda: np.matmul(turned, moving, out=dst)


def _multiply_moved(dst: Array, left: Array, moving: Array) -> None:
    """The same, where NumPy would copy operands into another order and so sum in another."""
    np.matmul(_moved(left).swapaxes(1, 2), _moved(moving), out=dst)


def _moved(array: Array) -> Array:
    """The array itself, or a copy at an aligned address whose dimensions lie in the same order."""
    if array.flags.aligned:
        return array
    apart = tuple(slice(1 if step == 0 else None) for step in array.strides)
    return np.broadcast_to(array[apart].copy(order="K"), array.shape)


def _by_numpy(dst: Array, left: Array, moving: Array, accumulate: bool) -> Call:
    if left.dtype != _FLOAT or moving.dtype != _FLOAT:
        return lambda: _multiply_wide(dst, left, moving, accumulate)
    if accumulate:
        return lambda: np.add(dst, np.matmul(left.T, moving), out=dst)
    return lambda: np.matmul(left.T, moving, out=dst)


def _multiply_wide(dst: Array, left: Array, moving: Array, accumulate: bool) -> None:
    """Small floats are products of float32, which holds them exactly; layouts are kept."""
    one, two = left.astype(np.float32, order="K"), moving.astype(np.float32, order="K")
    if accumulate:
        np.add(dst, np.matmul(one.T, two), out=dst)
    else:
        np.matmul(one.T, two, out=dst)


def _by_columns(
    found: Cblas, dst: Array, left: Array, moving: Array, accumulate: bool
) -> Call | None:
    """A product of a transposed matrix, where its columns are made faster than its rows."""
    turned = is_turned(moving) is True and is_turned(dst) is False and found.somatcopy
    if not turned or accumulate or dst.size * len(left) < COLUMNS_MIN:
        return None
    if len(left) < DEPTH_MIN * len(dst):
        return None
    if is_turned(left) is None:
        return None
    return PerThread(partial(_columns, found, dst, left, moving))


def _columns(found: Cblas, dst: Array, left: Array, moving: Array) -> Call:
    """dst[M, N] = left[K, M].T @ moving[K, N], made by columns and transposed.

    OpenBLAS is slow to pack the rows of a transposed second operand: with 128 rows it makes 170
    GFLOP/s on a Zen 5 core, with 32 rows 95, of columns 210 and 170.
    """
    columns = room("columns", dst.shape[::-1], _FLOAT)
    multiply, turn = _matrix(found, columns.T, left, moving, 0.0), bind_turned(dst, columns.T)
    assert multiply is not None
    assert turn is not None

    def run() -> None:
        multiply()
        turn()

    return run


def _matrix(found: Cblas, dst: Array, left: Array, moving: Array, beta: float) -> Call | None:
    if is_turned(dst) is True:
        # A result by columns is the transposed one by rows.
        dst, left, moving = dst.T, moving, left
    flags = is_turned(dst), is_turned(left), is_turned(moving)
    if flags[0] is not False or None in flags:
        return None
    (m, n), k = dst.shape, len(left)
    one, two = _PLAIN if flags[1] else _TURNED, _TURNED if flags[2] else _PLAIN
    call = partial(
        found.sgemm,
        *map(found.enum, (_ROW_MAJOR, one, two)),
        *map(found.integer, (m, n, k)),
        found.real(1.0),
        found.pointer(left.ctypes.data),
        found.integer(distance(left)),
        found.pointer(moving.ctypes.data),
        found.integer(distance(moving)),
        found.real(beta),
        found.pointer(dst.ctypes.data),
        found.integer(distance(dst)),
    )
    return keeping(call, dst, left, moving)


def _vector(found: Cblas, dst: Array, left: Array, moving: Array, beta: float) -> Call | None:
    """y[J] = matrix[K, J].T @ x[K], where one of M and N is 1."""
    if 1 not in dst.shape:
        return None
    one_row = dst.shape[0] == 1
    matrix, vector = (moving, left) if one_row else (left, moving)
    x, y = vector[:, 0], dst.reshape(-1) if dst.size == 1 else (dst[0] if one_row else dst[:, 0])
    flag = is_turned(matrix)
    steps = (x.strides[0] // 4 or 1, y.strides[0] // 4 or 1)
    if flag is None or min(steps) < 1 or (x.strides[0] | y.strides[0]) % 4:
        return None
    shape = matrix.shape[::-1] if flag else matrix.shape
    call = partial(
        found.sgemv,
        *map(found.enum, (_ROW_MAJOR, _PLAIN if flag else _TURNED)),
        *map(found.integer, shape),
        found.real(1.0),
        found.pointer(matrix.ctypes.data),
        found.integer(distance(matrix)),
        found.pointer(x.ctypes.data),
        found.integer(steps[0]),
        found.real(beta),
        found.pointer(y.ctypes.data),
        found.integer(steps[1]),
    )
    return keeping(call, dst, left, moving)
