"""Inputs for the sweep: edge values of every element type, the same at every run."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from neuronc.dtypes import BY_NAME, ElementType
from neuronc.numerics.casting import bits
from tests.sweep.template import Template

Array = NDArray[np.generic]
Random = np.random.Generator
FINITE = frozenset(("f8E8M0FNU", "f4E2M1FN", "f6E2M3FN", "f6E3M2FN"))
"""Types without infinities, and without NaN, without a sign or nearly so: what a function gives
outside its domain is nobody's business, so they get values well inside."""
EDGES = (0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 0.5, 1e30, 1e-30, -2.5, 3.5)

COMPLEX_EDGES = tuple(
    complex(a, b) for a, b in ((0, 0), (1, 0), (-1, 0.5), (0, -1), (3, 0), (-2, -1e-3), (1e-3, 1e3))
)


def inputs(template: Template, kind: str) -> list[Array]:
    """Arrays for the arguments of a program."""
    random = np.random.default_rng(zlib.crc32(f"{template.id} {kind}".encode()))
    words = template.operands.replace("complex<f32>", "complex").split()
    return [_input(word, i, template.values, kind, random) for i, word in enumerate(words)]


def _input(word: str, index: int, how: str, kind: str, random: Random) -> Array:
    extents, _, letter = word.rpartition("x")
    if word.endswith("complex"):
        extents, letter = word.removesuffix("complex").removesuffix("x"), "complex<f32>"
    shape = tuple(map(int, extents.split("x"))) if extents else ()
    row = _row(letter, kind)
    if letter in ("i32", "i64"):
        return random.integers(-1, 6, shape).astype(row.numpy)
    if letter == "T":
        return MAKERS[how](shape, row, random, index)
    return _any(shape, row, random, index)


def _row(letter: str, kind: str) -> ElementType:
    if letter == "T":
        return BY_NAME.get(kind, BY_NAME["i8"])
    if letter == "U":
        return BY_NAME[f"ui{bits(BY_NAME.get(kind, BY_NAME['i8']).numpy)}"]
    return BY_NAME[letter]


def _cast(x: NDArray[np.float64], row: ElementType) -> Array:
    with np.errstate(all="ignore"):
        return x.astype(row.numpy)


def _any(shape: tuple[int, ...], row: ElementType, random: Random, index: int) -> Array:
    """Special values first, then ordinary ones."""
    if row.is_integer:
        return _any_integer(shape, row, random)
    if row.name == "i1":
        return random.integers(0, 2, shape).astype(np.bool_)
    if row.name in FINITE:
        return _cast(random.choice([0.5, 1.0], shape), row)
    x = np.asarray(random.normal(size=shape) * 2)
    if row.is_complex:
        pairs = np.asarray(x + 1j * random.normal(size=shape))
        count = min(x.size, len(COMPLEX_EDGES))
        pairs.reshape(-1)[:count] = np.roll(COMPLEX_EDGES, 3 * index)[:count]
        return pairs.astype(row.numpy)
    count = min(x.size, len(EDGES))
    x.reshape(-1)[:count] = np.roll(EDGES, 5 * index)[:count]
    return _cast(x, row)


def _any_integer(shape: tuple[int, ...], row: ElementType, random: Random) -> Array:
    info = ml_dtypes.iinfo(row.numpy)
    edges = [int(info.min), int(info.max), 0, 1, int(info.min) and -1]
    x = random.integers(max(info.min, -9), min(info.max, 9) + 1, shape).astype(object)
    flat = np.asarray(x, object).reshape(-1)
    for i in range(min(len(flat), len(edges))):
        flat[i] = edges[int(random.integers(len(edges)))]
    held = np.array([int(v) for v in flat], np.uint64 if info.min == 0 else np.int64)
    return held.astype(row.numpy).reshape(shape)


def _finite(shape: tuple[int, ...], row: ElementType, random: Random, index: int) -> Array:
    """Anything but NaN, which has no place in a partial order."""
    x = _any(shape, row, random, index)
    return np.where(np.isnan(x.astype(np.complex128)), np.ones((), row.numpy), x)


def _moderate(shape: tuple[int, ...], row: ElementType, random: Random, index: int) -> Array:
    """Positive, of ordinary size."""
    if row.is_complex:
        parts = random.uniform(0.5, 3, (2, *shape))
        return (parts[0] + 1j * parts[1]).astype(row.numpy)
    if row.is_float:
        return _cast(random.uniform(0.5, 3, shape), row)
    return _any(shape, row, random, index)


def _summed(shape: tuple[int, ...], row: ElementType, random: Random, index: int) -> Array:
    """Small whole numbers, whose sums and products are exact in any order."""
    if row.name == "i1":
        return random.integers(0, 2, shape).astype(np.bool_)
    low = 0 if row.name.startswith(("ui", "f8E8M0")) else -1
    return _cast(random.integers(low, 2, shape).astype(np.float64), row)


def _denormal(shape: tuple[int, ...], row: ElementType, random: Random, index: int) -> Array:
    """Multiples of the smallest number, up to a little above the least normal one."""
    if not (row.is_float or row.is_complex):
        return _any(shape, row, random, index)
    part = np.zeros((), row.numpy).real.dtype if row.is_complex else row.numpy
    info = ml_dtypes.finfo(part)
    steps = int(float(info.smallest_normal) / float(info.smallest_subnormal))
    wide = np.float64(info.smallest_subnormal)
    signs = random.choice([1, -1] if row.name not in FINITE else [1], (2, *shape))
    values = np.asarray(signs * random.integers(1, steps + 3, (2, *shape)) * wide)
    if row.is_complex:
        return (values[0] + 1j * values[1]).astype(row.numpy)
    return _cast(values[0], row)


def _ordered(shape: tuple[int, ...], row: ElementType, random: Random, index: int) -> Array:
    """Argument 0 below 1 below 2, for bounds."""
    if row.name == "i1":
        return np.full(shape, index > 0)
    if row.is_float or row.is_integer:
        centre = 1.0 if row.name in ("ui2", "ui4", "ui8") else 0.0
        return _cast(random.uniform(-0.4, 0.4, shape) + (index - 1) * 1.0 + centre, row)
    return _any(shape, row, random, index)


def _shifts(shape: tuple[int, ...], row: ElementType, random: Random, index: int) -> Array:
    """A shift is from -1 to beyond the width."""
    if index == 0 or not row.is_integer:
        return _any(shape, row, random, index)
    width = ml_dtypes.iinfo(row.numpy).bits
    return random.integers(-1, width + 2, shape).astype(row.numpy)


def _orders(shape: tuple[int, ...], row: ElementType, random: Random, index: int) -> Array:
    """An order of 2 or more, and an argument above zero."""
    if row.is_float:
        whole = np.floor(random.uniform(2, 5, shape))
        return _cast(whole if index == 0 else random.uniform(0.5, 4, shape), row)
    return _any(shape, row, random, index)


def _positive(shape: tuple[int, ...], row: ElementType, random: Random, index: int) -> Array:
    """Positive definite matrices; anything else is ordinary."""
    x = random.normal(size=shape)
    if shape[-1] == shape[-2]:
        x = x @ np.swapaxes(x, -1, -2) + 3 * np.eye(shape[-1])
    return _cast(x, row)


MAKERS: dict[str, Callable[[tuple[int, ...], ElementType, Random, int], Array]] = {
    "any": _any,
    "denormal": _denormal,
    "finite": _finite,
    "moderate": _moderate,
    "ordered": _ordered,
    "orders": _orders,
    "positive": _positive,
    "shifts": _shifts,
    "summed": _summed,
}
