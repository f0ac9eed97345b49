"""Cholesky factors and triangular systems, batched over leading axes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from neuronc.numerics.casting import Array
from neuronc.runtime.library.registry import Params, ResultType, library


def wide(x: Array) -> Array:
    """In float64 or complex128."""
    return x.astype(np.complex128 if x.dtype.kind == "c" else np.float64)


def transposed(x: Array) -> Array:
    """Last two axes exchanged."""
    return np.swapaxes(x, -1, -2)


@library("cholesky")
def cholesky(
    params: Params, operands: Sequence[Array], results: Sequence[ResultType]
) -> list[Array]:
    """L with L L^H = a (`lower`) or U with U^H U = a; NaN where a is not positive definite."""
    a = wide(operands[0])
    lower = bool(params.get("lower", False))
    factor = cholesky_lower(a if lower else np.conj(transposed(a)))
    return [(factor if lower else np.conj(transposed(factor))).astype(operands[0].dtype)]


def cholesky_lower(a: Array) -> Array:
    """The lower factors of matrices of which only the lower triangle is read."""
    size = a.shape[-1]
    flat = a.reshape(-1, size, size)
    factors = [_cholesky_one(matrix) for matrix in flat]
    return np.stack(factors).reshape(a.shape) if factors else a


def _cholesky_one(a: Array) -> Array:
    try:
        return np.linalg.cholesky(a)
    except np.linalg.LinAlgError:
        return np.tril(np.full_like(a, np.nan))


@library("triangular_solve")
def triangular_solve(
    params: Params, operands: Sequence[Array], results: Sequence[ResultType]
) -> list[Array]:
    """X with op(a) x = b (`left_side`) or x op(a) = b; op by `transpose_a`; one triangle read."""
    a, b = (wide(x) for x in operands)
    lower = bool(params["lower"])
    how = str(params.get("transpose_a", "NO_TRANSPOSE"))
    if how != "NO_TRANSPOSE":
        a, lower = transposed(a), not lower
    if how == "ADJOINT":
        a = np.conj(a)
    if not params["left_side"]:
        a, b, lower = transposed(a), transposed(b), not lower
    x = substitute(a, b, lower=lower, unit=bool(params["unit_diagonal"]))
    result = x if params["left_side"] else transposed(x)
    return [result.astype(operands[1].dtype)]


def substitute(a: Array, b: Array, *, lower: bool, unit: bool) -> Array:
    """Solve triangular systems a [.., N, N] x = b [.., N, M] row by row."""
    size = a.shape[-1]
    x = np.array(b)
    with np.errstate(all="ignore"):
        for i in range(size) if lower else reversed(range(size)):
            known = slice(0, i) if lower else slice(i + 1, size)
            row = a[..., i : i + 1, known]
            rest = x[..., i : i + 1, :] - np.matmul(row, x[..., known, :])
            x[..., i : i + 1, :] = rest if unit else rest / a[..., i : i + 1, i : i + 1]
    return x
