"""Random numbers. They follow torch's distributions, but not its sequence of bits."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np
from jaxlib.mlir.dialects import stablehlo

from neuronc.torch.build import Build
from neuronc.torch.building.values import Value, shape_of
from neuronc.torch.scope import Scope, opmath
from neuronc.torch.table import Emitter, aten

SELU_LIMIT = 1.7580993408473766
"""What SELU goes to, without its sign: its scale times its alpha."""


def _drawn(
    b: Build, kind: str, low: float, high: float, shape: tuple[int, ...], element: str
) -> Value:
    """Uniform from low to high, or normal with mean low and deviation high."""
    bounds = [b.splat(v, (), element) for v in (low, high)]
    extents = b.array(np.array(shape, np.int64).reshape(len(shape)))
    distribution = stablehlo.RngDistributionAttr.get(kind)
    return b.one("rng", [*bounds, extents], shape, element, rng_distribution=distribution)


@aten("rand", "rand.generator", "rand_like")
def rand(s: Scope, *_: object, **__: object) -> Value:
    """Uniform from 0 to 1."""
    return s.narrow(_drawn(s.b, "UNIFORM", 0, 1, s.out.shape, opmath(s.out.element)))


@aten("randn", "randn.generator", "randn_like")
def randn(s: Scope, *_: object, **__: object) -> Value:
    """Normal."""
    return s.narrow(_drawn(s.b, "NORMAL", 0, 1, s.out.shape, opmath(s.out.element)))


@aten("randint", "randint.low")
def randint(s: Scope, *args: object, **_: object) -> Value:
    """Whole numbers from low up to, but not with, high."""
    numbers = [a for a in args if isinstance(a, int)]
    low, high = (0, numbers[0]) if len(numbers) == 1 else numbers[:2]
    drawn = _drawn(s.b, "UNIFORM", low, high, s.out.shape, "f32")
    return s.cast(s.b.convert(s.b.unary("floor", drawn), "i32"))


@aten("randperm")
def randperm(s: Scope, n: int, **_: object) -> Value:
    """All numbers below n, in a random order."""
    keys = _drawn(s.b, "UNIFORM", 0, 1, (n,), "f32")
    return s.cast(s.b.sort([keys, s.b.iota((n,), 0, "i32")], 0, False)[1])


@aten("bernoulli.p", "bernoulli")
def bernoulli(s: Scope, x: Value, p: float | None = None, **_: object) -> Value:
    """1 with probability p, else 0."""
    drawn = _drawn(s.b, "UNIFORM", 0, 1, s.out.shape, "f32")
    chance = s.b.like(p, drawn) if p is not None else s.fit(x, "f32")
    return s.cast(s.b.compare("LT", drawn, chance))


def _kept(b: Build, p: float, shape: tuple[int, ...]) -> Value:
    """True with probability 1 - p."""
    return b.compare("GE", _drawn(b, "UNIFORM", 0, 1, shape, "f32"), b.splat(p, shape, "f32"))


def _scaled(b: Build, x: Value, kept: Value, p: float) -> Value:
    """What is kept, so much larger that the mean stays; 0 elsewhere."""
    return b.select(kept, b.multiply(x, b.like(1 / (1 - p) if p < 1 else 0, x)), b.like(0, x))


@aten("native_dropout")
def native_dropout(s: Scope, x: Value, p: float, train: bool | None) -> list[Value]:
    """Zero with probability p, else scaled up; and which were kept."""
    b = s.b
    if train is False:
        return [x, b.splat(True, shape_of(x), "i1")]
    kept = _kept(b, p, shape_of(x))
    return [s.narrow(_scaled(b, s.wide(x), kept, p)), kept]


def _channels(b: Build, p: float, shape: tuple[int, ...]) -> Value:
    """The same for all of x[N, C, ...] that is of one channel."""
    return b.broadcast(_kept(b, p, (*shape[:2], *[1] * (len(shape) - 2))), shape)


def _dropout(kept_of: Callable[..., Value], fold: Callable[..., Value]) -> Emitter:
    def emit(s: Scope, x: Value, p: float, train: bool) -> Value:
        if not train or p == 0 or not prod(shape_of(x)):
            return x
        return s.narrow(fold(s.b, s.wide(x), kept_of(s.b, p, shape_of(x)), p))

    return emit


def _self_normalized(b: Build, x: Value, kept: Value, p: float) -> Value:
    """SELU's lower limit where x is dropped; then scaled to keep mean and variance."""
    if p == 1:
        return b.multiply(x, b.like(0, x))
    scale = ((SELU_LIMIT**2 * p + 1) * (1 - p)) ** -0.5
    shift = b.like(SELU_LIMIT * scale * p, x)
    dropped = b.like(-SELU_LIMIT * scale * (1 - p), x)
    return b.select(kept, b.add(b.multiply(x, b.like(scale, x)), shift), dropped)


for _name, _emit in {
    "dropout": _dropout(_kept, _scaled),
    "feature_dropout": _dropout(_channels, _scaled),
    "alpha_dropout": _dropout(_kept, _self_normalized),
    "feature_alpha_dropout": _dropout(_channels, _self_normalized),
}.items():
    aten(_name)(_emit)
