"""Tridiagonal systems of equations, as LAPACK's gtsv and lagts solve them.

Row i of the system is lower[i] x[i-1] + middle[i] x[i] + upper[i] x[i+1] = b[i]. Elimination with
partial pivoting leaves three diagonals, u0[n], u1[n] and u2[n]; all matrices go at once, step by
step. Shapes: diagonals [.., n], right-hand sides [.., n, m].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from neuronc.numerics.casting import Array, real
from neuronc.runtime.library.lapack import Options, routine
from neuronc.runtime.library.linear_algebra import wide
from neuronc.runtime.library.registry import ResultType

Pivoted = tuple[Array, Array, Array, Array]
"""u0, u1, u2 and the right-hand sides after elimination."""


@routine("gtsv")
def gtsv(options: Options, operands: Sequence[Array], results: Sequence[ResultType]) -> list[Array]:
    """The diagonals as they came, x, and `info`: the first pivot that is 0, counted from 1."""
    lower, middle, upper, b = (wide(x) for x in operands)
    pivoted = _eliminate(lower, middle, upper, b)
    zero = pivoted[0] == 0
    info = np.where(zero.any(-1), zero.argmax(-1) + 1, 0) if zero.shape[-1] else zero.any(-1)
    return [lower, middle, upper, _substitute(pivoted, lambda pivot, row: pivot), info]


@routine("tridiagonal_solve_perturbed")
def perturbed(
    options: Options, operands: Sequence[Array], results: Sequence[ResultType]
) -> list[Array]:
    """X of a system that may be singular: pivots too small to divide by are made larger.

    What is added is eps max|u|, doubled until the quotient does not overflow.
    """
    pivoted = _eliminate(*(wide(x) for x in operands))
    limits = np.finfo(operands[0].dtype)
    largest = np.max([np.abs(u).max(-1, initial=0) for u in pivoted[:3]], axis=0)
    step = np.maximum(float(limits.eps) * largest, float(limits.tiny))

    def enlarge(pivot: Array, row: Array) -> Array:
        return _enlarged(pivot, np.abs(row).max(-1, initial=0), step, float(limits.tiny))

    return [_substitute(pivoted, enlarge)]


def _eliminate(lower: Array, middle: Array, upper: Array, b: Array) -> Pivoted:
    u0, u1, u2, z = middle.copy(), upper.copy(), np.zeros_like(middle), b.copy()
    size = middle.shape[-1]
    u1[..., size - 1 :] = 0
    for k in range(size - 1):
        # The two rows that have an element in column k, the larger one first.
        swap = np.abs(lower[..., k + 1]) > np.abs(u0[..., k])
        zero = np.zeros_like(u0[..., k])
        above = u0[..., k], u1[..., k], zero
        below = lower[..., k + 1], u0[..., k + 1], u1[..., k + 1]
        first = [np.where(swap, y, x) for x, y in zip(above, below, strict=True)]
        second = [np.where(swap, x, y) for x, y in zip(above, below, strict=True)]
        factor = np.where(first[0] == 0, 0, second[0] / first[0])
        u0[..., k], u1[..., k], u2[..., k] = first
        u0[..., k + 1] = second[1] - factor * first[1]
        u1[..., k + 1] = second[2] - factor * first[2]
        rows = z[..., k, :].copy(), z[..., k + 1, :].copy()
        z[..., k, :] = np.where(swap[..., None], rows[1], rows[0])
        other = np.where(swap[..., None], rows[0], rows[1])
        z[..., k + 1, :] = other - factor[..., None] * z[..., k, :]
    return u0, u1, u2, z


def _substitute(pivoted: Pivoted, pivot_of: Callable[[Array, Array], Array]) -> Array:
    """X of the three diagonals, from the last row up."""
    u0, u1, u2, z = pivoted
    x = np.zeros_like(z)
    size = u0.shape[-1]
    for k in reversed(range(size)):
        row = z[..., k, :].copy()
        for u, at in ((u1, k + 1), (u2, k + 2)):
            if at < size:
                row -= u[..., k, None] * x[..., at, :]
        x[..., k, :] = row / pivot_of(u0[..., k], row)[..., None]
    return x


def _enlarged(pivot: Array, largest: Array, step: Array, tiny: float) -> Array:
    """The pivots by which a row with elements up to `largest` can be divided."""
    step = np.copysign(step, real(pivot) if pivot.dtype.kind == "c" else pivot)
    while True:
        size = np.abs(pivot)
        small = (size < 1) & ((size == 0) | (largest * tiny > size))
        if not small.any():
            return pivot
        pivot, step = np.where(small, pivot + step, pivot), np.where(small, 2 * step, step)
