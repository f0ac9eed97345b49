"""The relaxed tier: how near a result is that misses its case's own comparison.

A float result is near if it is within 3 units in the last place, or, for programs of ops that sum,
within c * eps * sum |terms|: any order of adding n terms errs by at most (n - 1) eps sum |terms|,
and by about sqrt(n) of that in practice. The sum is what the same program makes of the absolute
values of its inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tests.conformance.archive import Array, Case

ULPS = 3
TERMS_FACTOR = 8
"""c: covers a pairwise sum of up to 2**8 and a random walk of 64 roundings."""

SUMMING = frozenset(
    f"stablehlo.{name}"
    for name in (
        "convolution",
        "dot_general",
        "dynamic_conv",
        "fft",
        "reduce",
        "reduce_window",
        "scatter",
        "select_and_scatter",
    )
)


def is_near(
    case: Case, outputs: Sequence[Array], run: Callable[[list[Array]], Sequence[Array]], ulp: object
) -> bool:
    """Whether every output is near what the case expects; `ulp` measures distances."""
    assert callable(ulp)
    if len(outputs) != len(case.expected):
        return False
    sums: Sequence[Array] = []
    if SUMMING & set(case.ops):
        sums = run([np.abs(x).astype(x.dtype) if _is_float(x) else x for x in case.inputs])
    for i, (got, want) in enumerate(zip(outputs, case.expected, strict=True)):
        if got.shape != want.shape or got.dtype != want.dtype or not _is_float(want):
            return False
        near = np.ones(want.shape, bool)
        for g, w in zip(_parts(got), _parts(want), strict=True):
            part = np.asarray(ulp(g, w)) <= ULPS
            if sums:
                bound = TERMS_FACTOR * _epsilon(w) * np.abs(sums[i]).astype(np.float64)
                part |= np.abs(g.astype(np.float64) - w.astype(np.float64)) <= bound
            near &= part
        if not near.all():
            return False
    return True


def _is_float(x: Array) -> bool:
    return x.dtype.kind in "fcV"


def _parts(x: Array) -> list[Array]:
    parts = [np.real(x), np.imag(x)] if x.dtype.kind == "c" else [x]
    return [np.ascontiguousarray(p).reshape(x.shape) for p in parts]


def _epsilon(x: Array) -> float:
    return float(np.spacing(np.ones((), x.dtype)).astype(np.float64))
