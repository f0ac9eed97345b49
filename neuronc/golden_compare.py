"""How far two arrays are apart, element by element; never a correlation, which hides errors.

Two measures: units in the last place of the element type, which suit single operations, and the
absolute difference relative to the largest expected element of the output, which suits sums. An
element is outside a tolerance when both are. NaN equals NaN and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, cast

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from neuronc.dtypes import BY_NUMPY, ElementType

Array = NDArray[np.generic]
CHUNK = 1 << 20
"""Elements compared at a time, to keep the float64 copies small."""


@dataclass(frozen=True)
class Tolerance:
    """What an element may be away from the expected one: within either is enough."""

    ulp: float
    relative: float
    """To the largest expected element of the output."""


@dataclass(frozen=True)
class Difference:
    """How far an output is from the expected one."""

    ulp: float
    """The most, over all elements."""
    relative: float
    outside: int
    """Elements outside the tolerance."""
    worst: tuple[int, ...]
    """Where the absolute difference is largest."""
    found: str
    expected: str
    """The two elements there."""


def default_tolerance(row: ElementType) -> Tolerance:
    """None for integers; for floats, what two correct programs may differ by.

    With 32 or 64 bits both round at every step of sums of some thousand terms, in another order:
    64 roundings of the largest element cover their random walk (sqrt(4096)). Narrower types are
    computed in float32 and rounded where a value is stored; four such roundings may each go the
    other way. In 8 bits and less, one does.
    """
    if not row.is_float and not row.is_complex:
        return Tolerance(0, 0.0)
    real = _real(row.numpy)
    roundings = 64 if real.itemsize >= 4 else 4 if real.itemsize == 2 else 1
    return Tolerance(1, roundings * float(_format(real).eps))


def compare(found: Array, expected: Array, tolerance: Tolerance) -> Difference:
    """Measure `found` against `expected`, which have one shape and type."""
    one, two = _components(found), _components(expected)
    scale = max((_largest(two[i : i + CHUNK]) for i in range(0, len(two), CHUNK)), default=0.0)
    ulp, error, outside, worst = 0.0, -1.0, 0, 0
    for start in range(0, len(two), CHUNK):
        part = slice(start, start + CHUNK)
        ulps, errors = _distances(one[part], two[part], scale)
        ulp = max(ulp, float(ulps.max()))
        outside += int(((ulps > tolerance.ulp) & (errors > tolerance.relative)).sum())
        if errors.max() > error:
            error, worst = float(errors.max()), start + int(errors.argmax())
    place = worst * expected.size // max(len(two), 1)
    index = tuple(map(int, np.unravel_index(place, expected.shape))) if expected.size else ()
    elements = (str(a[index]) if expected.size else "" for a in (found, expected))
    return Difference(ulp, max(error, 0.0), outside, index, *elements)


class _Format(Protocol):
    """What is known of a floating-point type."""

    bits: int
    eps: float


def _format(dtype: np.dtype) -> _Format:
    return cast(_Format, ml_dtypes.finfo(dtype))


def _real(dtype: np.dtype) -> np.dtype:
    return np.dtype(f"f{dtype.itemsize // 2}") if dtype.kind == "c" else dtype


def _components(array: Array) -> Array:
    """Flat; complex elements as their two parts, one after the other."""
    return np.ascontiguousarray(array).reshape(-1).view(_real(array.dtype))


def _largest(values: Array) -> float:
    sizes = np.abs(values.astype(np.float64))
    return float(np.max(sizes, initial=0.0, where=np.isfinite(sizes)))


def _distances(
    one: Array, two: Array, scale: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Per element: units in the last place, and the difference relative to `scale`."""
    a, b = one.astype(np.float64), two.astype(np.float64)
    ulps = _ulps(one, two)
    same = (ulps == 0) | (np.isnan(a) & np.isnan(b))
    ulps[np.isnan(a) | np.isnan(b)] = np.inf
    ulps[same] = 0
    with np.errstate(all="ignore"):
        # Of integers, since float64 does not tell all of 64 bits apart.
        errors = (np.abs(a - b) if BY_NUMPY[one.dtype].is_float else ulps) / scale
    errors[np.isnan(errors)] = np.inf
    errors[same] = 0
    return ulps, errors


def _ulps(one: Array, two: Array) -> NDArray[np.float64]:
    """How many values of the type lie between; for integers, the difference."""
    sign_a, size_a = _sign_and_size(one)
    sign_b, size_b = _sign_and_size(two)
    apart = np.maximum(size_a, size_b) - np.minimum(size_a, size_b)
    return np.where(sign_a == sign_b, apart, size_a + size_b).astype(np.float64)


def _sign_and_size(values: Array) -> tuple[NDArray[np.bool_], NDArray[np.uint64]]:
    """Whether an element is negative, and its distance from zero in values of its type."""
    row = BY_NUMPY[values.dtype]
    if not row.is_float:
        wide = values.astype(np.uint64 if values.dtype == np.uint64 else np.int64)
        negative = wide < 0
        bits = wide.view(np.uint64)
        return negative, np.where(negative, -bits, bits)
    bits = values.view(f"u{row.bytes}").astype(np.uint64)
    if row.name == "f8E8M0FNU":
        return np.zeros(len(bits), np.bool_), bits
    sign = np.uint64(1 << (_format(row.numpy).bits - 1))
    return (bits & sign) != 0, bits & (sign - np.uint64(1))
