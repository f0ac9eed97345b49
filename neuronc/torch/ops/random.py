"""Random numbers. They follow torch's distributions, but not its sequence of bits."""

from __future__ import annotations

import numpy as np
from jaxlib.mlir.dialects import stablehlo

from neuronc.torch.build import Build
from neuronc.torch.building.values import Value, element_of, shape_of
from neuronc.torch.scope import Scope, opmath
from neuronc.torch.table import aten


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


@aten("native_dropout")
def native_dropout(s: Scope, x: Value, p: float, train: bool | None) -> list[Value]:
    """Zero with probability p, else scaled up; and which were kept."""
    b = s.b
    if not train or p == 0:
        return [x, b.splat(True, shape_of(x), "i1")]
    kept = b.compare(
        "GE", _drawn(b, "UNIFORM", 0, 1, shape_of(x), "f32"), b.splat(p, shape_of(x), "f32")
    )
    y = s.wide(x)
    scaled = b.multiply(y, b.like(1 / (1 - p) if p < 1 else 0, y))
    return [s.narrow(b.select(kept, scaled, b.like(0, y))), kept]


@aten("dropout", "feature_dropout", "alpha_dropout")
def dropout(s: Scope, x: Value, p: float, train: bool) -> Value:
    """Zero with probability p, else scaled up; when training."""
    if not train or p == 0:
        return x
    b, y = s.b, s.wide(x)
    kept = b.compare(
        "GE", _drawn(b, "UNIFORM", 0, 1, shape_of(x), "f32"), b.splat(p, shape_of(x), "f32")
    )
    scaled = b.multiply(y, b.like(1 / (1 - p) if p < 1 else 0, y))
    assert element_of(scaled) == element_of(y)
    return s.narrow(b.select(kept, scaled, b.like(0, y)))
