"""Reductions of square matrices by unitary similarities: Schur, tridiagonal; and pivoted QR.

Each works on one matrix or a batch in float64 or complex128, as LAPACK's routine of the name does;
eigenvalues of a Schur form may come in another order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from neuronc.numerics.casting import Array, real
from neuronc.runtime.library.lapack import Options, gehrd, has_letter, orgqr, reflector, routine
from neuronc.runtime.library.linear_algebra import transposed, wide
from neuronc.runtime.library.registry import ResultType

SWEEPS_PER_VALUE = 40
"""QR sweeps before an eigenvalue counts as not found; two or three are usual."""


@routine("gees")
def gees(options: Options, operands: Sequence[Array], results: Sequence[ResultType]) -> list[Array]:
    """The form a = z t z^H: t is triangular, but for blocks of two complex eigenvalues."""
    a = wide(operands[0])
    size = a.shape[-1]
    packed, factors, _ = gehrd({}, [a], results)
    t = np.triu(packed, -1)
    z = np.zeros_like(t) + np.eye(size)
    if size > 1:
        z[..., 1:, 1:] = orgqr({}, [packed[..., 1:, :-1], factors], results)[0]
    flat_t, flat_z = t.reshape(-1, size, size), z.reshape(-1, size, size)
    found = [_iterate(*pair) for pair in zip(flat_t, flat_z, strict=True)]
    info = np.where(np.array(found, np.bool_), 0, 1).reshape(a.shape[:-2])
    t[info != 0], z[info != 0] = np.nan, np.nan
    values = np.diagonal(t, axis1=-2, axis2=-1)
    if a.dtype.kind == "c":
        return [t, z, values, np.zeros_like(info), info]
    return [t, z, values, _imaginary_parts(t), np.zeros_like(info), info]


def _imaginary_parts(t: Array) -> Array:
    """The imaginary parts of the eigenvalues of standardised blocks: +-sqrt(b) sqrt(-c)."""
    parts = np.zeros(t.shape[:-1])
    above = np.diagonal(t, 1, -2, -1)
    below = np.diagonal(t, -1, -2, -1)
    size = np.sqrt(np.abs(above)) * np.sqrt(np.abs(below))
    parts[..., :-1] += size
    parts[..., 1:] -= size
    return parts


def _iterate(t: Array, z: Array) -> bool:
    """Bring a Hessenberg matrix t to Schur form, in place; z t z^H stays. False if it fails."""
    if not np.isfinite(t).all():
        return False
    paired = t.dtype.kind != "c"
    high, sweeps = len(t) - 1, 0
    while high > 0:
        low = _active(t, high)
        if high - low < (2 if paired else 1):
            if high - low == 1:
                _standardise(t, z, low)
            high, sweeps = low - 1, 0
        elif sweeps == SWEEPS_PER_VALUE:
            return False
        else:
            sweeps += 1
            _sweep(t, z, low, high, exceptional=sweeps % 10 == 0)
    return True


def _active(t: Array, high: int) -> int:
    """Where the block that ends at `high` starts; what separates it becomes 0.

    An entry counts as 0 beside its neighbours on the diagonal, or, where these are mere rounding
    themselves, beside the whole matrix.
    """
    small = np.finfo(np.float64).eps
    whole = float(np.linalg.norm(t))
    for k in range(high, 0, -1):
        scale = abs(t[k, k]) + abs(t[k - 1, k - 1])
        if abs(t[k, k - 1]) <= small * (scale if scale > small * len(t) * whole else whole):
            t[k, k - 1] = 0
            return k
    return 0


def _sweep(t: Array, z: Array, low: int, high: int, *, exceptional: bool) -> None:
    """One implicit QR step on rows low..high: with two shifts for a real matrix, else with one."""
    head = _first_column(t, low, high, exceptional=exceptional)
    width = len(head)
    for k in range(low, high):
        rows = slice(k, min(k + width, high + 1))
        x = head if k == low else np.array(t[rows, k - 1])
        v, factor, _ = reflector(x[: rows.stop - rows.start])
        column, row = v[:, None], np.conj(v)[None]
        first = max(k - 1, low)
        t[rows, first:] -= np.conj(factor) * column * (row @ t[rows, first:])
        t[: min(rows.stop + 1, high + 1), rows] -= (
            factor * (t[: min(rows.stop + 1, high + 1), rows] @ column) * row
        )
        z[:, rows] -= factor * (z[:, rows] @ column) * row
        if k > low:
            t[k + 1 : rows.stop, k - 1] = 0


def _first_column(t: Array, low: int, high: int, *, exceptional: bool) -> Array:
    """The first column of (t - s1) (t - s2), or of t - s, for shifts from the last block."""
    corner = t[high - 1 : high + 1, high - 1 : high + 1]
    if t.dtype.kind == "c":
        shifts = np.linalg.eigvals(corner)
        shift = shifts[np.argmin(np.abs(shifts - t[high, high]))]
        shift = shift + abs(t[high, high - 1]) if exceptional else shift
        return np.array([t[low, low] - shift, t[low + 1, low]])
    total, product = np.trace(corner), np.linalg.det(corner)
    if exceptional:
        scale = abs(t[high, high - 1]) + abs(t[high - 1, high - 2])
        total, product = 1.5 * scale, scale * scale
    a, b, c, d = t[low, low], t[low, low + 1], t[low + 1, low], t[low + 1, low + 1]
    return np.array(
        [a * a + b * c - total * a + product, c * (a + d - total), c * t[low + 2, low + 1]]
    )


def _standardise(t: Array, z: Array, k: int) -> None:
    """Split a block of two real eigenvalues; give one of two complex ones equal diagonals."""
    if t.dtype.kind == "c":
        return
    a, b, c, d = (float(x) for x in t[k : k + 2, k : k + 2].reshape(-1))
    half = (a - d) / 2
    inside = half * half + b * c
    if inside >= 0:
        root = half + math.copysign(math.sqrt(inside), half)
        cosine, sine = root / math.hypot(root, c), c / math.hypot(root, c)
    else:
        tau = math.hypot(b + c, a - d)
        cosine = math.sqrt((1 + abs(b + c) / tau) / 2)
        sine = -half / (tau * cosine) * math.copysign(1, b + c)
    turn = np.array([[cosine, sine], [-sine, cosine]])
    both = slice(k, k + 2)
    t[both, :] = turn @ t[both, :]
    t[:, both] = t[:, both] @ turn.T
    z[:, both] = z[:, both] @ turn.T
    if inside >= 0:
        t[k + 1, k] = 0
    else:
        t[k, k] = t[k + 1, k + 1] = (a + d) / 2


@routine("sytrd", "hetrd")
def sytrd(
    options: Options, operands: Sequence[Array], results: Sequence[ResultType]
) -> list[Array]:
    """Reflectors in one triangle, diagonals, off-diagonals and factors of a tridiagonal form."""
    a, lower = wide(operands[0]), has_letter(options, "uplo", "L")
    turned = a if lower else a[..., ::-1, ::-1]
    below = np.tril(turned, -1)
    diagonal = real(np.diagonal(turned, axis1=-2, axis2=-1))
    whole = below + np.conj(transposed(below)) + diagonal[..., None] * np.eye(a.shape[-1])
    packed, factors, info = gehrd({}, [whole], results)
    middle = real(np.diagonal(packed, axis1=-2, axis2=-1))
    beside = real(np.diagonal(packed, -1, -2, -1))
    kept = np.tril(packed) + np.triu(turned, 1)
    if lower:
        return [kept, middle, beside, factors, info]
    return [kept[..., ::-1, ::-1], middle[..., ::-1], beside[..., ::-1], factors[..., ::-1], info]


@routine("geqp3")
def geqp3(
    options: Options, operands: Sequence[Array], results: Sequence[ResultType]
) -> list[Array]:
    """QR of the columns in the order of their norms: packed, the order (from 1), the factors."""
    whole = wide(operands[0])
    rows, columns = whole.shape[-2:]
    packed = np.array(whole).reshape(math.prod(whole.shape[:-2]), rows, columns)
    each = np.arange(len(packed))
    order = np.zeros((len(packed), columns), np.int32)
    order += np.arange(1, columns + 1, dtype=np.int32)
    factors = np.zeros((len(packed), min(rows, columns)), packed.dtype)
    for k in range(min(rows, columns)):
        pivot = k + np.argmax(np.linalg.norm(packed[:, k:, k:], axis=1), axis=-1)
        order[:, k], order[each, pivot] = order[each, pivot], np.array(order[:, k])
        column, other = np.array(packed[:, :, k]), packed[each, :, pivot]
        packed[:, :, k], packed[each, :, pivot] = other, column
        v, factor, beta = reflector(packed[:, k:, k])
        rest = packed[:, k:, k + 1 :]
        rest -= np.conj(factor)[:, None, None] * v[:, :, None] * (np.conj(v)[:, None] @ rest)
        packed[:, k, k], packed[:, k + 1 :, k], factors[:, k] = beta, v[:, 1:], factor
    return [packed, order, factors]
