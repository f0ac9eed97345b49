"""Conversion between element types, and the wrappers that widen an operand and round once.

A function is written for the types NumPy computes in (8 to 64-bit integers, float32, float64,
complex128); `integer`, `native`, `precise` and `complex_precise` lift it to every element type.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Literal, TypeAlias
from typing import cast as typed

import ml_dtypes
import numpy as np
from numpy.typing import DTypeLike, NDArray

from neuronc.dtypes import BY_NUMPY

Array: TypeAlias = NDArray[Any]
Kernel: TypeAlias = Callable[..., Array]
Kind: TypeAlias = Literal["b", "i", "u", "f", "c"]


@cache
def kind(dtype: np.dtype[Any]) -> Kind:
    """Return b for booleans, i signed, u unsigned, f real float, c complex."""
    row = BY_NUMPY[dtype]
    if row.is_complex:
        return "c"
    if row.is_float:
        return "f"
    return "b" if row.name == "i1" else "u" if row.name[0] == "u" else "i"


@cache
def bits(dtype: np.dtype[Any]) -> int:
    """Return the width of a type; 4 for i4 although it is stored in a byte."""
    if kind(dtype) in "iu":
        return int(ml_dtypes.iinfo(dtype).bits)
    if kind(dtype) == "f":
        return int(typed(Any, ml_dtypes.finfo(dtype)).bits)
    return 8 * dtype.itemsize


@cache
def is_numpys(dtype: np.dtype[Any]) -> bool:
    """Whether a type is NumPy's own; ml_dtypes' `kind` is V for most of its types, f for some."""
    return dtype.isbuiltin == 1


@cache
def _computes_in(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the NumPy type that holds `dtype` exactly and has fast loops."""
    if is_numpys(dtype) and dtype != np.float16:
        return dtype
    return np.dtype({"f": np.float32, "i": np.int8, "u": np.uint8}[kind(dtype)])


def widen(x: Array) -> Array:
    """Return `x` in the NumPy type its values are computed in, exactly."""
    if is_byte_float(x.dtype):
        return byte_values(x.dtype)[x.view(np.uint8)]
    return x.astype(_computes_in(x.dtype), copy=False)


@cache
def is_byte_float(dtype: np.dtype[Any]) -> bool:
    """Whether an element is a real float in one byte."""
    return dtype.itemsize == 1 and kind(dtype) == "f"


@cache
def byte_values(dtype: np.dtype[Any]) -> Array:
    """The float32 value of every byte."""
    return np.arange(256).astype(np.uint8).view(dtype).astype(np.float32)


@cache
def _byte_roundings(dtype: np.dtype[Any]) -> Array:
    """The element of a one-byte float type nearest to every bfloat16."""
    words = np.arange(1 << 16).astype(np.uint16)
    with np.errstate(all="ignore"):
        return words.view(ml_dtypes.bfloat16).astype(np.float32).astype(dtype)


def _round_to_byte(x: Array, dtype: np.dtype[Any]) -> Array:
    """Round float32 to a one-byte float type through a table, as exactly as one by one.

    Rounding to odd first (the low half only leaves a sticky bit) makes the second rounding, from
    bfloat16's eight bits to five or fewer, the only one that counts.
    """
    word = np.asarray(x).view(np.uint32)
    sticky = np.bitwise_and(word, np.uint32(0xFFFF)) != 0
    return _byte_roundings(dtype)[np.bitwise_or(np.right_shift(word, np.uint32(16)), sticky)]


def real(x: Array) -> Array:
    """Return the real part of a complex array, as its own memory."""
    return np.array(typed(NDArray[np.complex128], x).real)


def imaginary(x: Array) -> Array:
    """Return the imaginary part of a complex array, as its own memory."""
    return np.array(typed(NDArray[np.complex128], x).imag)


def cast(x: Array, dtype: DTypeLike) -> Array:
    """Convert to `dtype` as stablehlo.convert does on XLA's CPU.

    Float to integer truncates and saturates, NaN becomes 0; integer to integer wraps; anything to
    boolean is x != 0; complex to anything else drops the imaginary part; to float rounds to
    nearest even.
    """
    target = np.dtype(dtype)
    if x.dtype == target:
        return x
    source, to = kind(x.dtype), kind(target)
    with np.errstate(all="ignore"):
        x = widen(x)
        if source == "c" and to == "b":
            x = real(x)
        if to == "b":
            return np.not_equal(x, x.dtype.type(0))
        if source == "c" and to != "c":
            x, source = real(x), "f"
        if source == "f" and to in "iu":
            return _saturate(x, target)
        if x.dtype == np.float32 and is_byte_float(target):
            return _round_to_byte(x, target)
        return x.astype(target)


def _saturate(x: Array, target: np.dtype[Any]) -> Array:
    """Truncate towards zero, clamp to the range of `target`, NaN to 0."""
    wide, signed = _computes_in(target), kind(target) == "i"
    low, high = int(ml_dtypes.iinfo(target).min), int(ml_dtypes.iinfo(target).max)
    whole = np.trunc(x)
    above = whole >= np.ldexp(x.dtype.type(1), bits(target) - signed)
    below = whole < x.dtype.type(low)
    y = np.where(above | below | np.isnan(x), 0, whole).astype(wide)
    return np.where(above, wide.type(high), np.where(below, wide.type(low), y)).astype(target)


def integer(function: Kernel) -> Kernel:
    """Lift a function of 8 to 64-bit integers: sub-byte types compute in a byte and wrap."""

    def evaluate(*xs: Array) -> Array:
        dtype = xs[0].dtype
        if is_numpys(dtype):
            return function(*xs)
        result = function(*(widen(x) for x in xs))
        return result if result.dtype == np.bool_ else result.astype(dtype)

    return evaluate


def bitwise(function: Kernel) -> Kernel:
    """Lift a function of (width, *integers) that must know how wide the type is."""

    def evaluate(*xs: Array) -> Array:
        return function(bits(xs[0].dtype), *(widen(x) for x in xs)).astype(xs[0].dtype)

    return evaluate


def native(function: Kernel) -> Kernel:
    """Lift a function of float32 or float64: narrower types compute in float32, rounded once."""

    def evaluate(*xs: Array) -> Array:
        dtype = xs[0].dtype
        result = function(*(widen(x) for x in xs))
        return result if result.dtype == np.bool_ else result.astype(dtype, copy=False)

    return evaluate


def precise(function: Kernel) -> Kernel:
    """Lift a function of float64: every other type computes in float64, rounded once."""

    def evaluate(*xs: Array) -> Array:
        dtype = xs[0].dtype
        return function(*(x.astype(np.float64, copy=False) for x in xs)).astype(dtype, copy=False)

    return evaluate


def complex_precise(function: Kernel) -> Kernel:
    """Lift a function of complex128 to complex64, rounded once."""

    def evaluate(*xs: Array) -> Array:
        dtype = xs[0].dtype
        wide = (x.astype(np.complex128, copy=False) for x in xs)
        return function(*wide).astype(dtype, copy=False)

    return evaluate


def dispatch(
    *,
    b: Kernel | None = None,
    i: Kernel | None = None,
    u: Kernel | None = None,
    f: Kernel | None = None,
    c: Kernel | None = None,
) -> Kernel:
    """Choose the kernel by the kind of the first operand; `u` defaults to `i`."""
    table = {"b": b, "i": i, "u": u or i, "f": f, "c": c}

    def evaluate(*xs: Array) -> Array:
        kernel = table[kind(xs[0].dtype)]
        assert kernel is not None, f"no kernel for {xs[0].dtype}"
        with np.errstate(all="ignore"):
            return np.asarray(kernel(*xs))

    return evaluate
