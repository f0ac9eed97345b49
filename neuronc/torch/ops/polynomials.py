"""Orthogonal polynomials, by their recurrences, up to the largest degree that is asked for.

    p(0) = 1,  p(1) = first(x),  p(k + 1) = (slope(k) x + shift(k)) p(k) - back(k) p(k - 1)

(DLMF 18.9). The degree is a tensor, so each element keeps the value of its own step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from neuronc.torch.build import Build
from neuronc.torch.building.values import Value, element_of
from neuronc.torch.scope import Scope
from neuronc.torch.table import Emitter, Operand, aten

Coefficient = Callable[[Build, Value], Value]
"""Of the step k, a number in the type of x."""


def _constant(value: float) -> Coefficient:
    return lambda b, k: b.like(value, k)


def _times(value: float) -> Coefficient:
    return lambda b, k: b.multiply(k, b.like(value, k))


def _over_next(times: float, plus: float) -> Coefficient:
    """(times k + plus) / (k + 1)."""

    def made(b: Build, k: Value) -> Value:
        top = b.add(b.multiply(k, b.like(times, k)), b.like(plus, k))
        return b.divide(top, b.add(k, b.like(1, k)))

    return made


@dataclass(frozen=True)
class Family:
    """One recurrence; p(1) = first[0] x + first[1]."""

    first: tuple[float, float]
    slope: Coefficient
    shift: Coefficient
    back: Coefficient
    shifted: bool = False
    """Whether x stands for 2 x - 1."""


_TWO, _NONE, _ONE = _constant(2), _constant(0), _constant(1)
_CHEBYSHEV = {"t": (1.0, 0.0), "u": (2.0, 0.0), "v": (2.0, -1.0), "w": (2.0, 1.0)}
FAMILIES: dict[str, Family] = {
    **{f"chebyshev_polynomial_{n}": Family(f, _TWO, _NONE, _ONE) for n, f in _CHEBYSHEV.items()},
    **{
        f"shifted_chebyshev_polynomial_{n}": Family(f, _TWO, _NONE, _ONE, True)
        for n, f in _CHEBYSHEV.items()
    },
    "hermite_polynomial_h": Family((2, 0), _TWO, _NONE, _times(2)),
    "hermite_polynomial_he": Family((1, 0), _ONE, _NONE, _times(1)),
    "laguerre_polynomial_l": Family((-1, 1), _over_next(0, -1), _over_next(2, 1), _over_next(1, 0)),
    "legendre_polynomial_p": Family((1, 0), _over_next(2, 1), _NONE, _over_next(1, 0)),
}


def _emitter(family: Family) -> Emitter:
    def emit(s: Scope, x: Operand, n: Operand) -> Value:
        b, shape = s.b, s.out.shape
        at = s.wide(s.fit(x))
        if family.shifted:
            at = b.subtract(b.add(at, at), b.like(1, at))
        degree = b.convert(s.fit(n, "i32" if isinstance(n, int) else s.out.element), "i32")
        degree = b.broadcast(degree, shape)
        one = b.like(1, at)
        slope, shift = (b.like(v, at) for v in family.first)
        first = b.add(b.multiply(slope, at), shift)
        start = b.select(b.compare("LT", degree, b.like(0, degree)), b.like(0, at), one)
        found = b.select(b.compare("EQ", degree, b.like(1, degree)), first, start)
        last = b.fold("maximum", degree, 0, list(range(len(shape))))

        def more(inner: Build, k: Value, *_: Value) -> list[Value]:
            return [inner.compare("LT", k, last)]

        def step(inner: Build, k: Value, old: Value, new: Value, kept: Value) -> list[Value]:
            count = inner.broadcast(inner.convert(k, element_of(at)), shape)
            factor = inner.multiply(family.slope(inner, count), at)
            factor = inner.add(factor, family.shift(inner, count))
            back = inner.multiply(family.back(inner, count), old)
            made = inner.subtract(inner.multiply(factor, new), back)
            following = inner.add(k, inner.like(1, k))
            here = inner.compare("EQ", degree, inner.broadcast(following, shape))
            return [following, new, made, inner.select(here, made, kept)]

        state = [b.splat(1, (), "i32"), one, first, found]
        return s.narrow(b.while_loop(state, more, step)[3])

    return emit


for _name, _family in FAMILIES.items():
    aten(f"special_{_name}", f"special_{_name}.n_scalar", f"special_{_name}.x_scalar")(
        _emitter(_family)
    )
