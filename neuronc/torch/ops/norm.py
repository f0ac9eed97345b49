"""Normalisations and softmax, written out as JAX writes them, so that fusion finds them.

All compute in float32 for the 16-bit floats, and round once.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from neuronc.torch.build import Build
from neuronc.torch.building.values import Value, element_of, shape_of
from neuronc.torch.ops.reductions import mean_of, variance
from neuronc.torch.scope import Scope, axis
from neuronc.torch.table import aten


def softmax_of(b: Build, x: Value, dim: int, safe: bool = False) -> Value:
    """exp(x - max) / sum(exp(x - max)); with `safe`, 0 where a whole row is -inf."""
    kept = [d for d in range(len(shape_of(x))) if d != dim]
    top = b.fold("maximum", x, float("-inf"), [dim])
    if safe:
        empty = b.compare("EQ", top, b.like(float("-inf"), top))
        top = b.select(empty, b.like(0, top), top)
    moved = b.subtract(x, b.broadcast_in_dim(top, shape_of(x), kept))
    powers = b.unary("exponential", moved)
    total = b.fold("add", powers, 0, [dim])
    if safe:
        total = b.select(b.compare("EQ", total, b.like(0, total)), b.like(1, total), total)
    return b.divide(powers, b.broadcast_in_dim(total, shape_of(x), kept))


@aten("_softmax", "softmax.int", "_safe_softmax")
def softmax(s: Scope, x: Value, dim: int, *_: object, **__: object) -> Value:
    """The exponentials along a dimension, over their sum."""
    y = s.wide(s.cast(x))
    if not shape_of(y):
        return s.b.splat(1, (), s.out.element)
    return s.narrow(softmax_of(s.b, y, axis(dim, y), "_safe_softmax" in str(s.node.target)))


@aten("_log_softmax", "log_softmax.int")
def log_softmax(s: Scope, x: Value, dim: int, *_: object, **__: object) -> Value:
    """Its logarithm."""
    b, y = s.b, s.wide(s.cast(x))
    if not shape_of(y):
        return b.splat(0, (), s.out.element)
    at = axis(dim, y)
    kept = [d for d in range(len(shape_of(y))) if d != at]
    top = b.fold("maximum", y, float("-inf"), [at])
    moved = b.subtract(y, b.broadcast_in_dim(top, shape_of(y), kept))
    total = b.unary("log", b.fold("add", b.unary("exponential", moved), 0, [at]))
    return s.narrow(b.subtract(moved, b.broadcast_in_dim(total, shape_of(y), kept)))


def _tail(shape: Sequence[int], x: Value) -> list[int]:
    """The last dimensions, which are normalised."""
    rank = len(shape_of(x))
    return list(range(rank - len(shape), rank))


def _affine(s: Scope, y: Value, weight: Value | None, bias: Value | None) -> Value:
    """Y times the weight, plus the bias, both over the last dimensions."""
    if weight is not None:
        y = s.b.multiply(y, s.fit(weight, element_of(y), shape_of(y)))
    return y if bias is None else s.b.add(y, s.fit(bias, element_of(y), shape_of(y)))


def _normalised(s: Scope, x: Value, dims: list[int], eps: float) -> tuple[Value, Value, Value]:
    """(x - mean) / sqrt(variance + eps), the mean, and the reciprocal root."""
    b = s.b
    spread, mean = variance(b, x, dims, 0)
    scale = b.unary("rsqrt", b.add(spread, b.like(eps, spread)))
    apart = b.subtract(x, b.broadcast(mean, shape_of(x)))
    return b.multiply(apart, b.broadcast(scale, shape_of(x))), mean, scale


@aten("layer_norm")
def layer_norm(
    s: Scope,
    x: Value,
    shape: Sequence[int],
    weight: Value | None = None,
    bias: Value | None = None,
    eps: float = 1e-5,
    *_: object,
) -> Value:
    """The last dimensions normalised, times weight, plus bias."""
    y, _mean, _scale = _normalised(s, s.wide(x), _tail(shape, x), eps)
    return s.narrow(_affine(s, y, weight, bias))


@aten("native_layer_norm")
def native_layer_norm(
    s: Scope,
    x: Value,
    shape: Sequence[int],
    weight: Value | None,
    bias: Value | None,
    eps: float,
) -> list[Value]:
    """The same, with the mean and the reciprocal root."""
    y, mean, scale = _normalised(s, s.wide(x), _tail(shape, x), eps)
    return [s.narrow(_affine(s, y, weight, bias)), s.narrow(mean, 1), s.narrow(scale, 2)]


@aten("rms_norm", "_fused_rms_norm")
def rms_norm(
    s: Scope,
    x: Value,
    shape: Sequence[int],
    weight: Value | None = None,
    eps: float | None = None,
) -> Value | list[Value]:
    """X over the root of its mean square, times weight."""
    b, y = s.b, s.wide(x)
    epsilon = _epsilon(element_of(x)) if eps is None else eps
    dims = _tail(shape, x)
    kept = tuple(1 if d in dims else n for d, n in enumerate(shape_of(y)))
    square = b.reshape(mean_of(b, b.multiply(y, y), dims), kept)
    scale = b.unary("rsqrt", b.add(square, b.like(epsilon, square)))
    made = s.narrow(_affine(s, b.multiply(y, b.broadcast(scale, shape_of(y))), weight, None))
    return [made, s.narrow(scale, 1)] if len(s.outs) == 2 else made


def _epsilon(element: str) -> float:
    """The spacing of the type at 1, torch's default."""
    return {"f64": 2.0**-52, "f16": 2.0**-10, "bf16": 2.0**-7}.get(element, 2.0**-23)


def _grouped(s: Scope, x: Value, groups: int, eps: float) -> tuple[Value, Value, Value]:
    """x[N, C, ...] normalised within each of its groups of channels."""
    b, y, shape = s.b, s.wide(x), shape_of(x)
    split = (shape[0], groups, prod(shape[1:]) // groups)
    made, mean, scale = _normalised(s, b.reshape(y, split), [2], eps)
    return b.reshape(made, shape), mean, scale


def _per_channel(s: Scope, y: Value, weight: Value | None, bias: Value | None) -> Value:
    """y[N, C, ...] times weight[C], plus bias[C]."""
    b, shape, element = s.b, shape_of(y), element_of(y)
    if weight is not None:
        y = b.multiply(y, b.broadcast_in_dim(b.convert(weight, element), shape, [1]))
    if bias is not None:
        y = b.add(y, b.broadcast_in_dim(b.convert(bias, element), shape, [1]))
    return y


@aten("group_norm")
def group_norm(
    s: Scope,
    x: Value,
    groups: int,
    weight: Value | None = None,
    bias: Value | None = None,
    eps: float = 1e-5,
    *_: object,
) -> Value:
    """Groups of channels normalised, times weight, plus bias."""
    return s.narrow(_per_channel(s, _grouped(s, x, groups, eps)[0], weight, bias))


@aten("native_group_norm")
def native_group_norm(
    s: Scope,
    x: Value,
    weight: Value | None,
    bias: Value | None,
    n: int,
    c: int,
    hxw: int,
    groups: int,
    eps: float,
) -> list[Value]:
    """The same, with the means and the reciprocal roots of the groups."""
    y, mean, scale = _grouped(s, x, groups, eps)
    flat = [s.b.reshape(v, (n, groups)) for v in (mean, scale)]
    return [s.narrow(_per_channel(s, y, weight, bias)), s.narrow(flat[0], 1), s.narrow(flat[1], 2)]


def _scaled_by(
    s: Scope,
    x: Value,
    weight: Value | None,
    bias: Value | None,
    mean: Value,
    scale: Value,
) -> Value:
    """x[N, C, ...] less the mean[C], times the scale[C] and the weight, plus the bias."""
    b, y, shape = s.b, s.wide(x), shape_of(x)
    apart = b.subtract(y, b.broadcast_in_dim(b.convert(mean, element_of(y)), shape, [1]))
    factor = b.convert(scale, element_of(y))
    if weight is not None:
        factor = b.multiply(factor, b.convert(weight, element_of(y)))
    return _per_channel(s, apart, factor, bias)


@aten("_native_batch_norm_legit_no_training", "_batch_norm_no_update")
def batch_norm_inference(
    s: Scope,
    x: Value,
    weight: Value | None,
    bias: Value | None,
    mean: Value,
    var: Value,
    momentum: float,
    eps: float,
) -> list[Value | None]:
    """Channels normalised with running statistics."""
    b, wide = s.b, s.wide(var)
    scale = b.unary("rsqrt", b.add(wide, b.like(eps, wide)))
    made = s.narrow(_scaled_by(s, x, weight, bias, mean, scale))
    empty = [b.splat(0, o.shape, o.element) if o else None for o in s.outs[1:]]
    return [made, *empty]


def batch_statistics(s: Scope, x: Value, eps: float) -> tuple[Value, Value, Value]:
    """Mean, variance and reciprocal root of each channel of x[N, C, ...]."""
    b, y = s.b, s.wide(x)
    dims = [d for d in range(len(shape_of(y))) if d != 1]
    spread, mean = variance(b, y, dims, 0)
    channels = (shape_of(y)[1],)
    spread, mean = b.reshape(spread, channels), b.reshape(mean, channels)
    return mean, spread, b.unary("rsqrt", b.add(spread, b.like(eps, spread)))


@aten("_native_batch_norm_legit.no_stats")
def batch_norm_no_stats(
    s: Scope,
    x: Value,
    weight: Value | None,
    bias: Value | None,
    training: bool,
    momentum: float,
    eps: float,
) -> list[Value]:
    """Channels normalised with the batch's own statistics."""
    mean, _, scale = batch_statistics(s, x, eps)
    made = s.narrow(_scaled_by(s, x, weight, bias, mean, scale))
    return [made, s.narrow(mean, 1), s.narrow(scale, 2)]


@aten("_native_batch_norm_legit_functional", "_native_batch_norm_legit", "native_batch_norm")
def batch_norm_training(
    s: Scope,
    x: Value,
    weight: Value | None,
    bias: Value | None,
    mean: Value,
    var: Value,
    training: bool,
    momentum: float,
    eps: float,
) -> list[Value | None]:
    """Channels normalised; when training, with new running statistics as further results."""
    if not training:
        made = list(batch_norm_inference(s, x, weight, bias, mean, var, momentum, eps))
        return [*made[:3], *([mean, var] if len(s.outs) == 5 else [])]
    b = s.b
    own_mean, own_var, scale = batch_statistics(s, x, eps)
    made = s.narrow(_scaled_by(s, x, weight, bias, own_mean, scale))
    results: list[Value | None] = [made, s.narrow(own_mean, 1), s.narrow(scale, 2)]
    if len(s.outs) == 3:
        return results
    count = prod(shape_of(x)) // shape_of(x)[1]
    unbiased = b.multiply(own_var, b.like(count / max(count - 1, 1), own_var))
    for old, new in ((mean, own_mean), (var, unbiased)):
        kept = b.multiply(s.wide(old), b.like(1 - momentum, new))
        results.append(b.add(kept, b.multiply(new, b.like(momentum, new))))
    return results
