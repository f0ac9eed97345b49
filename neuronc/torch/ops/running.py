"""Running folds: every element with all before it along a dimension.

The 16-bit floats add up in float32.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from neuronc.torch.build import Build
from neuronc.torch.building.values import Value, element_of, shape_of
from neuronc.torch.elements import is_complex, is_float
from neuronc.torch.ops.reductions import highest, lowest
from neuronc.torch.scope import Scope, axis, opmath
from neuronc.torch.table import Emitter, aten

BLOCK = 256
"""The longest running sum that is one product: its work grows with the square of the length."""


def running(b: Build, x: Value, dim: int, initial: complex, combine: Callable[..., Value]) -> Value:
    """The fold of all elements up to each, in log2(n) steps of twice the reach.

    Every step combines an array with itself moved by 1, 2, 4, ... so it is exact for what is
    associative, and only ever combines what belongs to the result.
    """
    extent, reach = shape_of(x)[dim], 1
    edge = b.splat(initial, (), element_of(x))
    while reach < extent:
        low = [0] * len(shape_of(x))
        low[dim] = reach
        moved = b.pad(x, edge, low, [-n for n in low])
        x, reach = combine(moved, x), 2 * reach
    return x


@aten("cumsum")
def cumsum(s: Scope, x: Value, dim: int, dtype: object = None) -> Value:
    """The running sum."""
    y = s.cast(x, opmath(s.out.element))
    if not shape_of(y):
        return s.narrow(y)
    if element_of(y) == "f32":
        return s.narrow(running_sum(s.b, y, axis(dim, y)))
    return s.narrow(running(s.b, y, axis(dim, y), 0, s.b.add))


def running_sum(b: Build, x: Value, dim: int) -> Value:
    """The sums of float32 x up to each element, as products with a triangle of ones.

    A product adds up the elements at the same places in the same order for every result, so what
    is 0 changes nothing: sums that are equal in eager's order are equal here. Models take
    exponentials of differences of such sums, which may be thousands, and a difference that should
    be 0 must be.
    """
    others = [d for d in range(len(shape_of(x))) if d != dim]
    y = b.transpose(x, [*others, dim])
    finite = b.compare("LT", b.unary("abs", y), b.like(inf, y))
    sums = _sums(b, b.select(finite, y, b.like(0, y)))
    # 0 * inf is NaN: what is not finite is counted apart, and counts from where it is.
    lost = b.compare("NE", y, y)
    for edge in (inf, -inf):
        hit = b.binary("or", lost, b.compare("EQ", y, b.like(edge, y)))
        count = _sums(b, b.convert(hit, "f32"))
        some = b.compare("GT", count, b.like(0, count))
        sums = b.add(sums, b.select(some, b.like(edge, sums), b.like(0, sums)))
    return b.transpose(sums, [*range(dim), len(others), *range(dim, len(others))])


def _sums(b: Build, x: Value) -> Value:
    """Sums of finite x[.., N] up to each, in blocks: those within each, and of all before it."""
    *rows, n = shape_of(x)
    if n <= BLOCK:
        return _product(b, x, n, 1)
    blocks = -(-n // BLOCK)
    high = [0] * len(rows) + [blocks * BLOCK - n]
    padded = b.pad(x, b.splat(0, (), "f32"), [0] * len(high), high)
    within = _product(b, b.reshape(padded, (*rows, blocks, BLOCK)), BLOCK, 1)
    totals = b.slice_dim(within, len(rows) + 1, BLOCK - 1, BLOCK)
    before = _product(b, b.reshape(totals, (*rows, blocks)), blocks * BLOCK, BLOCK)
    summed = b.add(b.reshape(within, (*rows, blocks * BLOCK)), before)
    return b.slice_dim(summed, len(rows), 0, n)


def _product(b: Build, x: Value, results: int, step: int) -> Value:
    """x[.., N] by ones[N, R]: element i is in every sum from step * i on, or with the next step.

    A step of 1 counts an element in its own sum; a longer one is a block, counted after its end.
    """
    places, starts = (b.iota((shape_of(x)[-1], results), d, "i32") for d in (1, 0))
    if step > 1:
        first = b.like(step, starts)
        starts = b.add(b.multiply(starts, first), first)
    ones = b.convert(b.compare("LE", starts, places), "f32")
    return b.dot(x, ones, ((), ()), ([len(shape_of(x)) - 1], [0]))


@aten("cumprod")
def cumprod(s: Scope, x: Value, dim: int, dtype: object = None) -> Value:
    """The running product."""
    y = s.cast(x, opmath(s.out.element))
    return s.narrow(running(s.b, y, axis(dim, y), 1, s.b.multiply)) if shape_of(y) else s.narrow(y)


@aten("logcumsumexp")
def logcumsumexp(s: Scope, x: Value, dim: int) -> Value:
    """The running log of the sum of exponentials."""
    b, y = s.b, s.wide(x)
    if not shape_of(y):
        return s.narrow(y)

    def size(v: Value) -> Value:
        element = element_of(v)
        if not is_complex(element):
            return v
        return b.one("real", [v], shape_of(v), element.removeprefix("complex<")[:-1])

    def combine(p: Value, q: Value) -> Value:
        top = b.select(b.compare("GE", size(p), size(q)), p, q)
        infinite = b.compare("EQ", b.unary("abs", size(top)), b.like(inf, size(top)))
        safe = b.select(infinite, b.like(0, top), top)
        parts = [b.unary("exponential", b.subtract(v, safe)) for v in (p, q)]
        return b.add(b.unary("log", b.add(*parts)), safe)

    return s.narrow(running(b, y, axis(dim, y), -inf, combine))


def _running_extreme(largest: bool) -> Emitter:
    def emit(s: Scope, x: Value, dim: int) -> list[Value]:
        b, element = s.b, element_of(x)
        if not shape_of(x):
            return [x, b.splat(0, (), "i32")]
        at = axis(dim, x)
        value, index, reach = x, b.iota(shape_of(x), at, "i32"), 1
        edge = b.splat(lowest(element) if largest else highest(element), (), element)
        while reach < shape_of(x)[at]:
            low = [0] * len(shape_of(x))
            low[at] = reach
            high = [-n for n in low]
            before = b.pad(value, edge, low, high)
            before_at = b.pad(index, b.splat(0, (), "i32"), low, high)
            ahead = b.compare("GT" if largest else "LT", before, value)
            if is_float(element):
                # NaN stays ahead of all, and the last one of several is the one that is named.
                number = b.compare("EQ", value, value)
                lost = b.binary("and", b.compare("NE", before, before), number)
                ahead = b.binary("or", b.binary("and", ahead, number), lost)
            value, index = b.select(ahead, before, value), b.select(ahead, before_at, index)
            reach *= 2
        return [value, index]

    return emit


aten("cummax")(_running_extreme(True))
aten("cummin")(_running_extreme(False))
