"""Custom calls to LAPACK, as JAX emits them on CPU, with NumPy.

Targets are `lapack_<type><routine>_ffi` with <type> one of s, d, c, z. Options are character codes
in the structured backend config. `info` results are 0, or positive where a routine gave up.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from neuronc.errors import UnsupportedError
from neuronc.numerics.casting import Array, imaginary, real
from neuronc.runtime.lapack_targets import TARGETS
from neuronc.runtime.library.linear_algebra import (
    cholesky_lower,
    transposed,
    triangular_solve,
    wide,
)
from neuronc.runtime.library.registry import Params, ResultType, library

Options: TypeAlias = Mapping[str, Any]
Routine: TypeAlias = Callable[[Options, Sequence[Array], Sequence[ResultType]], list[Array]]

ROUTINES: dict[str, Routine] = {}
"""Routines by LAPACK name without the type letter."""


def routine(*names: str) -> Callable[[Routine], Routine]:
    """Register a function under one or more LAPACK names."""

    def register(function: Routine) -> Routine:
        ROUTINES.update(dict.fromkeys(names, function))
        return function

    return register


@library("custom_call")
def custom_call(
    params: Params, operands: Sequence[Array], results: Sequence[ResultType]
) -> list[Array]:
    """The routine named by `call_target_name`."""
    target = str(params["call_target_name"])
    if target not in TARGETS:
        raise UnsupportedError(
            "custom_call", f"no library function for target {target}", code="NRC-0508"
        )
    function = ROUTINES[TARGETS[target]]
    text = str(params.get("backend_config") or "{}")
    with np.errstate(all="ignore"):
        arrays = function(json.loads(text), operands, results)
    typed = zip(arrays, results, strict=True)
    return [np.asarray(x).astype(r.dtype).reshape(r.shape) for x, r in typed]


def has_letter(options: Options, name: str, letter: str) -> bool:
    """Whether an option has a character code."""
    return int(options[name]) == ord(letter)


def _ok(x: Array) -> Array:
    """Zeros for `info`, one per matrix."""
    return np.zeros(x.shape[:-2], np.int32)


def _converged(function: Callable[[Array], tuple[Array, ...]], a: Array) -> list[Array]:
    """The function's results and `info`: matrices for which it gives up are NaN, with info 1."""
    try:
        return [*function(a), _ok(a)]
    except np.linalg.LinAlgError:
        flat = a.reshape(math.prod(a.shape[:-2]), *a.shape[-2:])
        rows = [_or_nan(function, matrix) for matrix in flat]
        stacked = [np.stack(parts) for parts in zip(*rows, strict=True)]
        return [x.reshape((*a.shape[:-2], *x.shape[1:])) for x in stacked]


def _or_nan(function: Callable[[Array], tuple[Array, ...]], a: Array) -> list[Array]:
    try:
        return [*function(a), _ok(a)]
    except np.linalg.LinAlgError:
        empty = function(np.zeros_like(a))
        return [*(np.full_like(x, np.nan) for x in empty), _ok(a) + 1]


@routine("potrf")
def potrf(
    options: Options, operands: Sequence[Array], results: Sequence[ResultType]
) -> list[Array]:
    """Cholesky factor in one triangle, the other unchanged; info where not positive definite."""
    a, lower = wide(operands[0]), has_letter(options, "uplo", "L")
    factor = cholesky_lower(a if lower else np.conj(transposed(a)))
    info = np.asarray(np.isnan(factor).any((-1, -2)))
    if lower:
        return [np.tril(factor) + np.triu(a, 1), info]
    return [np.triu(np.conj(transposed(factor))) + np.tril(a, -1), info]


@routine("trsm")
def trsm(options: Options, operands: Sequence[Array], results: Sequence[ResultType]) -> list[Array]:
    """Triangular systems, as the StableHLO op."""
    how = {"N": "NO_TRANSPOSE", "T": "TRANSPOSE", "C": "ADJOINT"}
    params = {
        "left_side": has_letter(options, "side", "L"),
        "lower": has_letter(options, "uplo", "L"),
        "unit_diagonal": has_letter(options, "diag", "U"),
        "transpose_a": how[chr(int(options["trans_x"]))],
    }
    return triangular_solve(params, operands, results)


@routine("getrf")
def getrf(
    options: Options, operands: Sequence[Array], results: Sequence[ResultType]
) -> list[Array]:
    """L and U in one matrix, row exchanges (1-based), info; columns in order, batched."""
    shape = operands[0].shape
    lu = np.array(wide(operands[0])).reshape(math.prod(shape[:-2]), *shape[-2:])
    steps = min(shape[-2:])
    pivots = np.zeros((len(lu), steps), np.int32)
    each = np.arange(len(lu))
    for k in range(steps):
        pivot = k + np.argmax(_size(lu[:, k:, k]), axis=1)
        pivots[:, k] = pivot + 1
        upper, lower = lu[:, k].copy(), lu[each, pivot].copy()
        lu[:, k], lu[each, pivot] = lower, upper
        scale = np.where(lu[:, k, k] == 0, 1, lu[:, k, k])
        lu[:, k + 1 :, k] /= scale[:, None]
        lu[:, k + 1 :, k + 1 :] -= lu[:, k + 1 :, k, None] * lu[:, k, None, k + 1 :]
    diagonal = lu[:, np.arange(steps), np.arange(steps)] == 0
    first = np.argmax(np.pad(diagonal, ((0, 0), (0, 1))), axis=1)
    info = np.where(diagonal.any(1), first + 1, 0)
    return [lu, pivots, info]


def _size(x: Array) -> Array:
    """What LAPACK compares to find a pivot: |a| + |b| of a + i b."""
    return np.abs(real(x)) + np.abs(imaginary(x)) if x.dtype.kind == "c" else np.abs(x)


@routine("geqrf")
def geqrf(
    options: Options, operands: Sequence[Array], results: Sequence[ResultType]
) -> list[Array]:
    """R above and the reflectors below the diagonal, and their factors."""
    packed, factors = np.linalg.qr(wide(operands[0]), mode="raw")
    return [transposed(packed), factors]


@routine("orgqr", "ungqr")
def orgqr(
    options: Options, operands: Sequence[Array], results: Sequence[ResultType]
) -> list[Array]:
    """Q from reflectors: the first columns of H(1) H(2) .. H(k)."""
    packed, factors = (wide(x) for x in operands)
    rows, columns = packed.shape[-2:]
    q: Array = np.zeros_like(packed) + np.eye(rows, columns)
    for k in reversed(range(factors.shape[-1])):
        column = packed[..., k + 1 :, k : k + 1]
        v = np.concatenate([np.ones_like(packed[..., :1, :1]), column], axis=-2)
        below = q[..., k:, :]
        projected = np.matmul(np.conj(transposed(v)), below)
        q[..., k:, :] = below - factors[..., k, None, None] * v * projected
    return [q]


@routine("ormqr", "unmqr")
def ormqr(
    options: Options, operands: Sequence[Array], results: Sequence[ResultType]
) -> list[Array]:
    """Q c, Q^H c, c Q or c Q^H for a Q of reflectors."""
    packed, factors, c = (wide(x) for x in operands)
    c = np.array(c)
    left, turned = bool(options["left"]), bool(options["transpose"])
    count = range(factors.shape[-1])
    for k in count if left == turned else reversed(count):
        column = packed[..., k + 1 :, k : k + 1]
        v = np.concatenate([np.ones_like(packed[..., :1, :1]), column], axis=-2)
        factor = factors[..., k, None, None]
        factor = np.conj(factor) if turned else factor
        if left:
            c[..., k:, :] -= factor * v * np.matmul(np.conj(transposed(v)), c[..., k:, :])
        else:
            c[..., :, k:] -= factor * np.matmul(c[..., :, k:], v) * np.conj(transposed(v))
    return [c]


@routine("syevd", "heevd")
def syevd(
    options: Options, operands: Sequence[Array], results: Sequence[ResultType]
) -> list[Array]:
    """Eigenvectors in columns and ascending eigenvalues of symmetric matrices."""
    a = wide(operands[0])
    half = "L" if has_letter(options, "uplo", "L") else "U"
    values, vectors, info = _converged(lambda x: np.linalg.eigh(x, half), a)
    return [vectors, values, info]


@routine("gesdd", "gesvd")
def gesdd(
    options: Options, operands: Sequence[Array], results: Sequence[ResultType]
) -> list[Array]:
    """Singular values and, by `mode`, all (A) or some (S) singular vectors."""
    a = wide(operands[0])
    if has_letter(options, "mode", "N"):
        values, info = _converged(lambda x: (np.linalg.svd(x, compute_uv=False),), a)
        empty = [np.zeros(results[i].shape, results[i].dtype) for i in (2, 3)]
        return [a, values, *empty, info]
    full = has_letter(options, "mode", "A")
    left, values, right, info = _converged(lambda x: np.linalg.svd(x, full_matrices=full), a)
    return [a, values, left, right, info]


@routine("geev")
def geev(options: Options, operands: Sequence[Array], results: Sequence[ResultType]) -> list[Array]:
    """Eigenvalues (two parts for real matrices), left and right eigenvectors, info."""
    a = wide(operands[0])
    values, right, info = _converged(_eigen, a)
    left = np.zeros_like(right)
    if has_letter(options, "compute_left", "V"):
        left = np.conj(transposed(np.linalg.inv(right)))
        left = left / np.linalg.norm(left, axis=-2, keepdims=True)
    parts = [values] if a.dtype.kind == "c" else [real(values), imaginary(values)]
    return [*parts, left, right, info]


def _eigen(a: Array) -> tuple[Array, Array]:
    """Eigenvalues and right eigenvectors, always complex."""
    values, right = np.linalg.eig(a)
    return values.astype(np.complex128), right.astype(np.complex128)


@routine("gehrd")
def gehrd(
    options: Options, operands: Sequence[Array], results: Sequence[ResultType]
) -> list[Array]:
    """Hessenberg form with the reflectors below it, and their factors."""
    h = np.array(wide(operands[0]))
    size = h.shape[-1]
    factors = np.zeros((*h.shape[:-2], max(size - 1, 0)), h.dtype)
    for k in range(size - 1):
        v, factor, beta = reflector(h[..., k + 1 :, k])
        column, row = v[..., :, None], np.conj(v)[..., None, :]
        below = h[..., k + 1 :, k:]
        below -= np.conj(factor)[..., None, None] * column * np.matmul(row, below)
        right = h[..., :, k + 1 :]
        right -= factor[..., None, None] * np.matmul(right, column) * row
        h[..., k + 1, k] = beta
        h[..., k + 2 :, k] = v[..., 1:]
        factors[..., k] = factor
    return [h, factors, _ok(h)]


def reflector(x: Array) -> tuple[Array, Array, Array]:
    """v, factor and beta with (I - factor v v^H)^H x = beta e1 and v[0] = 1, as LAPACK's larfg."""
    head = x[..., 0]
    # Scaled, so that squares of tiny numbers keep their digits.
    scale = np.maximum(np.abs(x).max(-1), np.finfo(np.float64).tiny)
    rest = scale * np.linalg.norm(x[..., 1:] / scale[..., None], axis=-1)
    norm = np.hypot(np.abs(head), rest)
    real_head = real(head) if x.dtype.kind == "c" else head
    beta = -np.copysign(norm, real_head)
    trivial = (rest == 0) & (head == real_head)
    safe = np.where(trivial, 1, beta)
    factor = np.where(trivial, 0, (safe - head) / safe)
    v = x / np.where(trivial, 1, head - safe)[..., None]
    v[..., 0] = 1
    v[..., 1:] = np.where(trivial[..., None], 0, v[..., 1:])
    return v, factor.astype(x.dtype), np.where(trivial, head, beta).astype(x.dtype)
