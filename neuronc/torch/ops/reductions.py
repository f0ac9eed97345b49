"""Sums, means and extremes. The 16-bit floats add up in float32."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, prod
from typing import cast

from neuronc.torch.build import Build
from neuronc.torch.building.values import Value, element_of, shape_of
from neuronc.torch.elements import NUMPY_OF, is_complex, is_float
from neuronc.torch.ops.contraction import p_norm
from neuronc.torch.scope import Scope, axes, axis, opmath
from neuronc.torch.table import aten

Dims = Sequence[int] | int | None


def lowest(element: str) -> complex:
    """What every value is at least."""
    if is_float(element):
        return float("-inf")
    if element == "i1":
        return False
    bits = 8 * NUMPY_OF[element].itemsize
    return 0 if element.startswith("ui") else -(2 ** (bits - 1))


def highest(element: str) -> complex:
    """What every value is at most."""
    if is_float(element):
        return float("inf")
    if element == "i1":
        return True
    bits = 8 * NUMPY_OF[element].itemsize
    return 2**bits - 1 if element.startswith("ui") else 2 ** (bits - 1) - 1


def _finish(s: Scope, x: Value, index: int = 0) -> Value:
    """The folded value in the shape of the result, with the folded dimensions kept or not."""
    spec = s.outs[index]
    assert spec is not None
    return s.narrow(s.b.reshape(x, spec.shape), index)


@aten("sum.dim_IntList", "sum")
def sum_(
    s: Scope, x: Value, dim: Dims = None, keepdim: bool = False, dtype: object = None
) -> Value:
    """The sum over some dimensions, or all."""
    y = s.cast(x, opmath(s.out.element))
    return _finish(s, s.b.fold("add", y, 0, axes(dim, x)))


def mean_of(b: Build, x: Value, dims: list[int]) -> Value:
    """The mean of floats, as JAX writes it: a sum, and a division."""
    total = b.fold("add", x, 0, dims)
    return b.divide(total, b.like(prod(shape_of(x)[d] for d in dims), total))


@aten("mean.dim", "mean")
def mean(
    s: Scope, x: Value, dim: Dims = None, keepdim: bool = False, dtype: object = None
) -> Value:
    """The mean over some dimensions, or all."""
    return _finish(s, mean_of(s.b, s.cast(x, opmath(s.out.element)), axes(dim, x)))


@aten("prod", "prod.dim_int")
def prod_(
    s: Scope, x: Value, dim: int | None = None, keepdim: bool = False, dtype: object = None
) -> Value:
    """The product over a dimension, or all."""
    y = s.cast(x, opmath(s.out.element))
    return _finish(s, s.b.fold("multiply", y, 1, axes(dim, x)))


@aten("amax")
def amax(s: Scope, x: Value, dim: Dims = None, keepdim: bool = False) -> Value:
    """The largest."""
    return _finish(s, s.b.fold("maximum", x, lowest(element_of(x)), axes(dim, x)))


@aten("amin")
def amin(s: Scope, x: Value, dim: Dims = None, keepdim: bool = False) -> Value:
    """The smallest."""
    return _finish(s, s.b.fold("minimum", x, highest(element_of(x)), axes(dim, x)))


@aten("max")
def max_(s: Scope, x: Value) -> Value:
    """The largest of all."""
    return amax(s, x)


@aten("min")
def min_(s: Scope, x: Value) -> Value:
    """The smallest of all."""
    return amin(s, x)


@aten("any", "any.dim", "any.dims")
def any_(s: Scope, x: Value, dim: Dims = None, keepdim: bool = False) -> Value:
    """Whether one differs from zero."""
    return _finish(s, s.b.fold("or", s.b.convert(x, "i1"), False, axes(dim, x)))


@aten("all", "all.dim", "all.dims")
def all_(s: Scope, x: Value, dim: Dims = None, keepdim: bool = False) -> Value:
    """Whether all differ from zero."""
    return _finish(s, s.b.fold("and", s.b.convert(x, "i1"), True, axes(dim, x)))


def arg_extreme(b: Build, x: Value, dim: int, largest: bool) -> tuple[Value, Value]:
    """The extreme along a dimension and its first position, as i32; NaN counts as extreme."""
    element = element_of(x)
    initial = lowest(element) if largest else highest(element)
    start = [b.splat(initial, (), element), b.splat(0, (), "i32")]

    def better(inner: Build, best: Value, at: Value, new: Value, index: Value) -> list[Value]:
        ahead = inner.compare("GT" if largest else "LT", best, new)
        if is_float(element):
            ahead = inner.binary("or", ahead, inner.compare("NE", best, best))
        value = inner.select(ahead, best, new)
        tie = inner.binary("and", inner.compare("EQ", best, new), inner.compare("LT", at, index))
        return [value, inner.select(inner.binary("or", ahead, tie), at, index)]

    found = b.reduce([x, b.iota(shape_of(x), dim, "i32")], start, [dim], better)
    return found[0], found[1]


def _arg(s: Scope, x: Value, dim: int | None, largest: bool) -> Value:
    if dim is None or not shape_of(x):
        x, dim = s.b.reshape(x, (prod(shape_of(x)),)), 0
    return _finish(s, arg_extreme(s.b, x, axis(dim, x), largest)[1])


@aten("argmax")
def argmax(s: Scope, x: Value, dim: int | None = None, keepdim: bool = False) -> Value:
    """Where the largest is, the first of equals."""
    return _arg(s, x, dim, True)


@aten("argmin")
def argmin(s: Scope, x: Value, dim: int | None = None, keepdim: bool = False) -> Value:
    """Where the smallest is, the first of equals."""
    return _arg(s, x, dim, False)


def _extreme(s: Scope, x: Value, dim: int, largest: bool) -> list[Value | None]:
    if not shape_of(x):
        return [x, s.b.splat(0, (), "i32")]
    if not s.used(1):
        value = amax(s, x, [dim]) if largest else amin(s, x, [dim])
        return [value, None]
    found = arg_extreme(s.b, x, axis(dim, x), largest)
    return [_finish(s, found[0]), _finish(s, found[1], 1)]


@aten("max.dim")
def max_dim(s: Scope, x: Value, dim: int, keepdim: bool = False) -> list[Value | None]:
    """The largest along a dimension, and where."""
    return _extreme(s, x, dim, True)


@aten("min.dim")
def min_dim(s: Scope, x: Value, dim: int, keepdim: bool = False) -> list[Value | None]:
    """The smallest along a dimension, and where."""
    return _extreme(s, x, dim, False)


def variance(b: Build, x: Value, dims: list[int], correction: float) -> tuple[Value, Value]:
    """Variance and mean over some dimensions, which are kept with extent 1; two passes."""
    kept = tuple(1 if d in dims else n for d, n in enumerate(shape_of(x)))
    count = prod(shape_of(x)[d] for d in dims)
    mean = b.reshape(mean_of(b, x, dims), kept)
    apart = b.subtract(x, b.broadcast(mean, shape_of(x)))
    if is_complex(element_of(x)):
        apart = b.magnitude(apart)
    total = b.reshape(b.fold("add", b.multiply(apart, apart), 0, dims), kept)
    return b.divide(total, b.like(max(count - correction, 0), total)), mean


def _correction(given: dict[str, object], unbiased: bool) -> float:
    """Torch says it in two ways; without either it is 1."""
    correction = given.get("correction", 1 if unbiased else 0)
    return float(correction) if isinstance(correction, int | float) else 1.0


def _spread(s: Scope, x: Value, args: Sequence[object], more: dict[str, object]) -> list[Value]:
    """Variance and mean by the arguments of `var` and its kin."""
    flags = [a for a in args if isinstance(a, bool)]
    lists = [cast(Sequence[int], a) for a in args if isinstance(a, list | tuple)]
    dims = lists[0] if lists else more.get("dim")
    unbiased = more.get("unbiased", flags[0] if flags else True)
    var, mean = variance(
        s.b, s.wide(x), axes(cast(Dims, dims), x), _correction(more, bool(unbiased))
    )
    return [var, mean]


@aten("var.correction", "var.dim", "var")
def var(s: Scope, x: Value, *args: object, **more: object) -> Value:
    """The variance."""
    return _finish(s, _spread(s, x, args, more)[0])


@aten("std.correction", "std.dim", "std")
def std(s: Scope, x: Value, *args: object, **more: object) -> Value:
    """Its root."""
    return _finish(s, s.b.unary("sqrt", _spread(s, x, args, more)[0]))


@aten("var_mean.correction", "var_mean.dim", "var_mean")
def var_mean(s: Scope, x: Value, *args: object, **more: object) -> list[Value]:
    """Variance and mean."""
    return [_finish(s, v, i) for i, v in enumerate(_spread(s, x, args, more))]


@aten("linalg_vector_norm")
def vector_norm(
    s: Scope,
    x: Value,
    ord: float = 2,
    dim: Dims = None,
    keepdim: bool = False,
    dtype: object = None,
) -> Value:
    """The p-norm over some dimensions."""
    wide = s.wide(x) if is_complex(element_of(x)) else s.cast(x, opmath(s.out.element))
    size = s.b.convert(s.b.magnitude(wide), opmath(s.out.element))
    if ord == float("-inf"):
        return _finish(s, s.b.fold("minimum", size, float("inf"), axes(dim, x)))
    return _finish(s, p_norm(s.b, size, ord, axes(dim, x)))


@aten("logsumexp")
def logsumexp(s: Scope, x: Value, dim: Dims, keepdim: bool = False) -> Value:
    """The log of the sum of exponentials, with the largest (real part) taken out."""
    b, y = s.b, s.cast(x, opmath(s.out.element))
    dims = axes(dim, y)
    top = b.fold("maximum", b.real(y), float("-inf"), dims)
    infinite = b.compare("EQ", b.unary("abs", top), b.like(float("inf"), top))
    safe = b.convert(b.select(infinite, b.like(0, top), top), element_of(y))
    kept = [d for d in range(len(shape_of(y))) if d not in dims]
    moved = b.subtract(y, b.broadcast_in_dim(safe, shape_of(y), kept))
    total = b.fold("add", b.unary("exponential", moved), 0, dims)
    return _finish(s, b.add(b.unary("log", total), safe))


@aten("histc")
def histc(s: Scope, x: Value, bins: int = 100, min: float = 0, max: float = 0) -> Value:
    """How many elements fall into each of equal bins between two bounds."""
    b, n = s.b, prod(shape_of(x))
    kind = element_of(x) if is_float(element_of(x)) else "f32"
    y = b.convert(b.reshape(x, (n,)), kind)
    low, high = (b.broadcast(v, (n,)) for v in _bounds(b, y, min, max))
    scaled = b.divide(b.multiply(b.subtract(y, low), b.like(bins, y)), b.subtract(high, low))
    index = b.minimum(b.convert(b.unary("floor", scaled), "i32"), b.splat(bins - 1, (n,), "i32"))
    inside = b.binary("and", b.compare("GE", y, low), b.compare("LE", y, high))
    one = b.compare("EQ", b.broadcast_in_dim(index, (n, bins), [0]), b.iota((n, bins), 1, "i32"))
    hit = b.binary("and", one, b.broadcast_in_dim(inside, (n, bins), [0]))
    return s.cast(b.fold("add", b.convert(hit, "f32"), 0, [0]))


def _bounds(b: Build, y: Value, low: float, high: float) -> tuple[Value, Value]:
    """Those that are given; where they are equal those of the data y[N], or 1 around them."""
    if low != high or not prod(shape_of(y)):
        apart = 1 if low == high else 0
        kind = element_of(y)
        return b.splat(low - apart, (), kind), b.splat(high + apart, (), kind)
    least, most = b.fold("minimum", y, inf, [0]), b.fold("maximum", y, -inf, [0])
    apart = b.convert(b.compare("EQ", least, most), element_of(y))
    return b.subtract(least, apart), b.add(most, apart)


@aten("count_nonzero", "count_nonzero.dim_IntList")
def count_nonzero(s: Scope, x: Value, dim: Dims = None) -> Value:
    """How many differ from zero."""
    ones = s.b.convert(s.b.convert(x, "i1"), s.out.element)
    return _finish(s, s.b.fold("add", ones, 0, axes(dim, x)))


@aten("hash_tensor")
def hash_tensor(
    s: Scope, x: Value, dim: Dims = None, keepdim: bool = False, mode: int = 0
) -> Value:
    """All bits of the 64-bit elements, each counted modulo 2."""
    b = s.b
    wide = b.convert(x, "f64" if is_float(element_of(x)) else "i64")
    bits = b.one("bitcast_convert", [wide], shape_of(x), "ui64")
    return _finish(s, b.fold("xor", bits, 0, axes(dim, x)))
