"""Elementwise and reduction functions: one row each, used by compiler, artifact and runtime alike.

A row's `code` is part of the artifact format and never changes. `evaluate` is the meaning of the
StableHLO op at any element type; `into` is the same for arrays in NumPy's own types, in place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal
from typing import cast as typed

import ml_dtypes
import numpy as np

from neuronc.numerics import activations, complexes, floats, in_place, integers, special
from neuronc.numerics.casting import (
    Array,
    Kernel,
    bitwise,
    cast,
    complex_precise,
    dispatch,
    imaginary,
    integer,
    is_numpys,
    kind,
    native,
    precise,
    real,
    widen,
)
from neuronc.numerics.in_place import InPlace

__all__ = ["BY_CODE", "FUNCTIONS", "REDUCTIONS", "Function", "Reduction", "cast"]


@dataclass(frozen=True)
class Function:
    """One elementwise function."""

    code: int
    name: str
    """The StableHLO, CHLO or activation op without its prefix; `compare` is `eq` to `lt_total`."""
    arity: int
    evaluate: Kernel
    """evaluate(*arrays) -> array, any element type, broadcasting; never warns."""
    into: InPlace | None = None
    """into(*arrays, out=out), no big temporaries, for the element kinds in `into_kinds`.

    `out` may be one of the arrays. The caller silences NumPy's floating-point warnings once.
    """
    into_kinds: str = "f"
    """Kinds (b, i, u, f of 32 or 64 bits, c, or s for float32 only) for which `into` is right."""
    result: Literal["same", "bool", "real", "complex"] = "same"
    """The result's element type, from the last operand's."""

    def in_place(self, dtype: np.dtype[Any]) -> InPlace:
        """Return `into` where it applies to operands of `dtype`, else a copy through `evaluate`."""
        fits = is_numpys(dtype) and dtype != np.float16 and kind(dtype) in self.into_kinds
        fits = fits or (dtype == np.float32 and "s" in self.into_kinds)
        if self.into is not None and fits:
            return self.into
        return in_place.through(self.evaluate)

    def result_dtype(self, dtype: np.dtype[Any]) -> np.dtype[Any]:
        """Return the element type of the result for a last operand of `dtype`."""
        if self.result == "bool":
            return np.dtype(np.bool_)
        if self.result == "complex":
            return np.result_type(dtype, np.complex64)
        complex_to_real = self.result == "real" and kind(dtype) == "c"
        return np.dtype(f"f{dtype.itemsize // 2}") if complex_to_real else dtype


@dataclass(frozen=True)
class Reduction:
    """One associative, commutative function with an identity."""

    code: int
    name: str
    ufunc: np.ufunc

    def identity(self, dtype: np.dtype[Any]) -> Array:
        """Return the neutral element as a rank-0 array."""
        if self.name in ("maximum", "minimum"):
            return _extreme(dtype, lowest=self.name == "maximum")
        if self.name == "and" and kind(dtype) != "b":
            return np.invert(np.zeros((), widen(np.zeros((), dtype)).dtype)).astype(dtype)
        return np.asarray(self.name in ("multiply", "and")).astype(dtype)


def _extreme(dtype: np.dtype[Any], *, lowest: bool) -> Array:
    """Return the least (or greatest) value of a type, infinite where it has infinities."""
    if kind(dtype) == "b":
        return np.asarray(not lowest)
    if kind(dtype) in "iu":
        info = ml_dtypes.iinfo(dtype)
        return np.asarray(int(info.min if lowest else info.max)).astype(dtype)
    infinite = np.asarray(-np.inf if lowest else np.inf).astype(dtype)
    if np.isinf(infinite.astype(np.complex128).real):
        return infinite
    limits = typed(Any, ml_dtypes.finfo(dtype))
    return np.asarray(limits.min if lowest else limits.max, dtype)


def _mixed(
    ints: Kernel | None, reals: Kernel | None, cplx: Kernel | None = None, b: Kernel | None = None
) -> Kernel:
    """Lift one kernel per kind, computed natively."""
    return dispatch(
        b=b,
        i=integer(ints) if ints else None,
        f=native(reals) if reals else None,
        c=cplx,
    )


def _real(function: Kernel, cplx: Kernel | None = None) -> Kernel:
    """Lift a float64 function (and a complex128 one) that rounds once."""
    return dispatch(f=precise(function), c=complex_precise(cplx) if cplx else None)


def _bits(function: Kernel) -> Kernel:
    """Lift an integer function that needs the width."""
    return dispatch(i=bitwise(function))


def _logical(boolean: Kernel, ints: Kernel) -> Kernel:
    """Lift a bitwise function."""
    return dispatch(b=boolean, i=integer(ints))


def _total(compare: np.ufunc) -> Kernel:
    """Compare floats by total order, everything else as usual."""

    def ordered(x: Array, y: Array) -> Array:
        return compare(floats.total_order(x), floats.total_order(y))

    return dispatch(b=compare, i=integer(compare), f=ordered, c=compare)


def _compare(compare: np.ufunc) -> Kernel:
    """Compare as IEEE 754 does."""
    return _mixed(compare, compare, compare, compare)


def _is_finite(x: Array) -> Array:
    return np.isfinite(x)


def _select(predicate: Array, on_true: Array, on_false: Array) -> Array:
    return np.where(predicate, on_true, on_false)


def _clamp(low: Array, x: Array, high: Array) -> Array:
    return np.minimum(np.maximum(low, x), high)


def _identity(x: Array) -> Array:
    return x


_ROWS: tuple[Function, ...] = (
    # arithmetic
    Function(1, "add", 2, _mixed(np.add, np.add, np.add, np.logical_or), np.add, "biufc"),
    Function(2, "subtract", 2, _mixed(np.subtract, np.subtract, np.subtract), np.subtract, "iufc"),
    Function(
        3,
        "multiply",
        2,
        _mixed(np.multiply, np.multiply, complexes.multiply, np.logical_and),
        np.multiply,
        "biuf",
    ),
    Function(
        4,
        "divide",
        2,
        _mixed(integers.divide, np.divide, complex_precise(np.divide)),
        np.divide,
        "f",
    ),
    Function(5, "remainder", 2, _mixed(integers.remainder, np.fmod), np.fmod, "f"),
    Function(
        6,
        "power",
        2,
        dispatch(
            i=integer(integers.power),
            u=integer(integers.power_unsigned),
            f=precise(np.power),
            c=complex_precise(complexes.power),
        ),
        np.power,
    ),
    Function(
        7,
        "maximum",
        2,
        _mixed(np.maximum, np.maximum, np.maximum, np.logical_or),
        np.maximum,
        "biuf",
    ),
    Function(
        8,
        "minimum",
        2,
        _mixed(np.minimum, np.minimum, np.minimum, np.logical_and),
        np.minimum,
        "biuf",
    ),
    Function(9, "atan2", 2, _real(np.arctan2, complexes.atan2), np.arctan2),
    Function(10, "negate", 1, _mixed(np.negative, np.negative, np.negative), np.negative, "iufc"),
    Function(
        11, "abs", 1, _mixed(np.abs, np.abs, complexes.magnitude), np.abs, "iuf", result="real"
    ),
    Function(12, "sign", 1, _mixed(np.sign, floats.sign, complex_precise(complexes.sign)), np.sign),
    Function(13, "square", 1, _mixed(np.square, np.square, complexes.square), np.square, "iuf"),
    # bits and booleans
    Function(20, "and", 2, _logical(np.logical_and, np.bitwise_and), np.bitwise_and, "biu"),
    Function(21, "or", 2, _logical(np.logical_or, np.bitwise_or), np.bitwise_or, "biu"),
    Function(22, "xor", 2, _logical(np.logical_xor, np.bitwise_xor), np.bitwise_xor, "biu"),
    Function(23, "not", 1, _logical(np.logical_not, np.invert), np.invert, "biu"),
    Function(24, "shift_left", 2, _bits(integers.shift_left)),
    Function(25, "shift_right_arithmetic", 2, _bits(integers.shift_right_arithmetic)),
    Function(26, "shift_right_logical", 2, _bits(integers.shift_right_logical)),
    Function(27, "popcnt", 1, _bits(integers.population_count)),
    Function(28, "count_leading_zeros", 1, _bits(integers.count_leading_zeros)),
    Function(29, "mulhi", 2, _bits(integers.multiply_high)),
    # comparison and choice
    Function(40, "eq", 2, _compare(np.equal), np.equal, "biufc", "bool"),
    Function(41, "ne", 2, _compare(np.not_equal), np.not_equal, "biufc", "bool"),
    Function(42, "ge", 2, _compare(np.greater_equal), np.greater_equal, "biuf", "bool"),
    Function(43, "gt", 2, _compare(np.greater), np.greater, "biuf", "bool"),
    Function(44, "le", 2, _compare(np.less_equal), np.less_equal, "biuf", "bool"),
    Function(45, "lt", 2, _compare(np.less), np.less, "biuf", "bool"),
    Function(46, "eq_total", 2, _total(np.equal), result="bool"),
    Function(47, "ne_total", 2, _total(np.not_equal), result="bool"),
    Function(48, "ge_total", 2, _total(np.greater_equal), result="bool"),
    Function(49, "gt_total", 2, _total(np.greater), result="bool"),
    Function(50, "le_total", 2, _total(np.less_equal), result="bool"),
    Function(51, "lt_total", 2, _total(np.less), result="bool"),
    Function(52, "select", 3, _select, in_place.select, "biufc"),
    Function(53, "clamp", 3, _mixed(_clamp, _clamp, _clamp, _clamp), in_place.clamp, "iuf"),
    # rounding and classification
    Function(60, "floor", 1, _mixed(None, np.floor), np.floor),
    Function(61, "ceil", 1, _mixed(None, np.ceil), np.ceil),
    Function(62, "round_nearest_even", 1, _mixed(None, np.rint), np.rint),
    Function(63, "round_nearest_afz", 1, _mixed(None, floats.round_nearest_afz)),
    Function(64, "is_finite", 1, _mixed(None, _is_finite), np.isfinite, result="bool"),
    Function(65, "is_inf", 1, _mixed(None, np.isinf), np.isinf, result="bool"),
    Function(66, "is_pos_inf", 1, _mixed(None, floats.is_positive_infinity), result="bool"),
    Function(67, "is_neg_inf", 1, _mixed(None, floats.is_negative_infinity), result="bool"),
    Function(68, "next_after", 2, dispatch(f=floats.next_after)),
    # exponentials and roots
    Function(80, "exponential", 1, _real(np.exp, complexes.exponential), np.exp),
    Function(
        81, "exponential_minus_one", 1, _real(np.expm1, complexes.exponential_minus_one), np.expm1
    ),
    Function(82, "log", 1, _real(np.log, complexes.log), np.log),
    Function(83, "log_plus_one", 1, _real(np.log1p, complexes.log_plus_one), np.log1p),
    Function(84, "logistic", 1, _real(floats.logistic, complexes.logistic), in_place.logistic),
    Function(85, "sqrt", 1, _mixed(None, np.sqrt, complex_precise(complexes.sqrt)), np.sqrt),
    Function(86, "rsqrt", 1, _real(floats.rsqrt, complexes.rsqrt), in_place.rsqrt),
    Function(87, "cbrt", 1, _real(np.cbrt, complexes.cbrt), np.cbrt),
    # trigonometric and hyperbolic
    Function(100, "sine", 1, _real(np.sin, complexes.sine), np.sin),
    Function(101, "cosine", 1, _real(np.cos, complexes.cosine), np.cos),
    Function(102, "tan", 1, _real(np.tan, complexes.tan), np.tan),
    Function(103, "tanh", 1, _real(np.tanh, complexes.tanh), np.tanh),
    Function(104, "asin", 1, _real(np.arcsin, np.arcsin), np.arcsin),
    Function(105, "acos", 1, _real(np.arccos, np.arccos), np.arccos),
    Function(106, "atan", 1, _real(np.arctan, np.arctan), np.arctan),
    Function(107, "sinh", 1, _real(np.sinh, np.sinh), np.sinh),
    Function(108, "cosh", 1, _real(np.cosh, np.cosh), np.cosh),
    Function(109, "asinh", 1, _real(np.arcsinh, np.arcsinh), np.arcsinh),
    Function(110, "acosh", 1, _real(np.arccosh, np.arccosh), np.arccosh),
    Function(111, "atanh", 1, _real(np.arctanh, np.arctanh), np.arctanh),
    # special
    Function(120, "erf", 1, _real(special.erf), in_place.erf, "s"),
    Function(121, "erfc", 1, _real(special.erfc), in_place.erfc, "s"),
    Function(122, "erf_inv", 1, _real(special.erf_inv), in_place.erf_inv, "s"),
    Function(123, "lgamma", 1, _real(special.lgamma)),
    Function(124, "digamma", 1, _real(special.digamma)),
    Function(125, "polygamma", 2, _real(special.polygamma)),
    Function(126, "zeta", 2, _real(special.zeta)),
    Function(127, "bessel_i1e", 1, _real(special.bessel_i1e)),
    # activations: functions of the scalar engine that StableHLO has no op for
    Function(130, "gelu", 1, _real(activations.gelu), activations.into_gelu, "s"),
    Function(131, "gelu_tanh", 1, _real(activations.gelu_tanh), activations.into_gelu_tanh, "s"),
    Function(
        132, "gelu_sigmoid", 1, _real(activations.gelu_sigmoid), activations.into_gelu_sigmoid, "s"
    ),
    Function(133, "silu", 1, _real(activations.silu), activations.into_silu, "s"),
    Function(134, "softplus", 1, _real(activations.softplus), activations.into_softplus, "s"),
    Function(135, "mish", 1, _real(activations.mish), activations.into_mish, "s"),
    # complex
    Function(140, "complex", 2, dispatch(f=complexes.pack), result="complex"),
    Function(141, "real", 1, dispatch(f=_identity, c=real), result="real"),
    Function(142, "imag", 1, dispatch(f=np.zeros_like, c=imaginary), result="real"),
    Function(143, "conj", 1, dispatch(f=_identity, c=np.conj), np.conj, "c"),
)
FUNCTIONS: dict[str, Function] = {row.name: row for row in _ROWS}
BY_CODE: dict[int, Function] = {row.code: row for row in _ROWS}
REDUCTIONS: dict[str, Reduction] = {
    name: Reduction(FUNCTIONS[name].code, name, ufunc)
    for name, ufunc in (
        ("add", np.add),
        ("multiply", np.multiply),
        ("maximum", np.maximum),
        ("minimum", np.minimum),
        ("and", np.bitwise_and),
        ("or", np.bitwise_or),
        ("xor", np.bitwise_xor),
    )
}
