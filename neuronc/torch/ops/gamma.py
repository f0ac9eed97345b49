"""The incomplete gamma functions, and Hurwitz' zeta for any argument.

    P(a, x) = x^a exp(-x) / gamma(a + 1) times the sum of x^k / ((a + 1) .. (a + k))      x < a + 1
    Q(a, x) = x^a exp(-x) / gamma(a) times a continued fraction                            otherwise

(DLMF 8.11.4 and 8.9.2, the fraction by Lentz's method.) All of it runs in the library, in float64,
in loops that end when no element changes any more.
"""

from __future__ import annotations

from neuronc.torch.build import Build
from neuronc.torch.building.values import Value, shape_of
from neuronc.torch.scope import Scope
from neuronc.torch.table import prims

STEPS_MAX = 4096
"""Of a loop: near x = a it takes some times the root of a, so that a may reach a million."""
EPSILON = 2.0**-53
TINY = 1e-300
INFINITY = float("inf")


@prims("zeta")
def zeta(s: Scope, x: Value, q: Value) -> Value:
    """The sum of (q + k)^-x over k >= 0.

    CHLO's series wants q > 0: what comes before is added one by one, for q down to -4096.
    """
    b = s.b
    exponent, start = b.unary("negate", s.fit(x, "f64")), s.fit(q, "f64")

    def more(inner: Build, at: Value, _total: Value, count: Value) -> list[Value]:
        return [_some_left(inner, inner.compare("LT", at, inner.like(1, at)), count)]

    def step(inner: Build, at: Value, total: Value, count: Value) -> list[Value]:
        below = inner.compare("LT", at, inner.like(1, at))
        power = inner.binary("power", at, exponent)
        term = inner.select(below, power, inner.like(0, at))
        after = inner.select(below, inner.add(at, inner.like(1, at)), at)
        return [after, inner.add(total, term), inner.add(count, inner.like(1, count))]

    state = [start, b.like(0, start), b.splat(0, (), "i32")]
    at, total, _ = b.while_loop(state, more, step)
    made = b.add(total, b.chlo("zeta", s.fit(x, "f64"), at))
    lost = b.compare("LT", at, b.like(1, at))
    return s.narrow(b.select(lost, b.like(float("nan"), made), made))


def _some_left(b: Build, active: Value, count: Value) -> Value:
    """Whether an element is not done, and steps are left."""
    some = b.fold("or", active, False, list(range(len(shape_of(active)))))
    return b.binary("and", some, b.compare("LT", count, b.like(STEPS_MAX, count)))


@prims("igamma")
def igamma(s: Scope, a: Value, x: Value) -> Value:
    """P(a, x), which rises from 0 to 1."""
    return _incomplete(s, a, x, True)


@prims("igammac")
def igammac(s: Scope, a: Value, x: Value) -> Value:
    """Q(a, x) = 1 - P(a, x)."""
    return _incomplete(s, a, x, False)


def _incomplete(s: Scope, a: Value, x: Value, lower: bool) -> Value:
    b, p, q = s.b, s.fit(a, "f64"), s.fit(x, "f64")
    plain = b.binary("and", _is_positive(b, p), _is_positive(b, q))
    order, at = (b.select(plain, v, b.like(1, v)) for v in (p, q))
    near = b.compare("LT", at, b.add(order, b.like(1, order)))
    lead = _lead(b, order, at)
    small = b.divide(b.multiply(lead, _series(b, order, at, near)), order)
    large = b.multiply(lead, _fraction(b, order, at, b.unary("not", near)))
    one = b.like(1, p)
    if lower:
        made = b.select(near, small, b.subtract(one, large))
    else:
        made = b.select(near, b.subtract(one, small), large)
    return s.narrow(b.select(plain, made, _at_the_ends(b, p, q, lower)))


def _is_positive(b: Build, x: Value) -> Value:
    above = b.compare("GT", x, b.like(0, x))
    return b.binary("and", above, b.compare("LT", x, b.like(INFINITY, x)))


def _at_the_ends(b: Build, a: Value, x: Value, lower: bool) -> Value:
    """At 0 and infinity; NaN below 0, where both are infinite, and where both are 0."""

    def is_(value: Value, number: float) -> Value:
        return b.compare("EQ", value, b.like(number, value))

    full = b.binary("or", is_(a, 0), is_(x, INFINITY))
    empty = b.binary("or", is_(x, 0), is_(a, INFINITY))
    made = b.select(full, b.like(1 if lower else 0, a), b.like(float("nan"), a))
    made = b.select(empty, b.like(0 if lower else 1, a), made)
    negative = b.binary("or", _below_zero(b, a), _below_zero(b, x))
    undefined = b.binary("or", b.binary("and", full, empty), negative)
    return b.select(undefined, b.like(float("nan"), a), made)


def _below_zero(b: Build, x: Value) -> Value:
    """Negative, or NaN."""
    return b.unary("not", b.compare("GE", x, b.like(0, x)))


def _lead(b: Build, a: Value, x: Value) -> Value:
    """x^a exp(-x) / gamma(a)."""
    exponent = b.subtract(b.multiply(a, b.unary("log", x)), x)
    return b.unary("exponential", b.subtract(exponent, b.chlo("lgamma", a)))


def _series(b: Build, a: Value, x: Value, wanted: Value) -> Value:
    """1 + x / (a + 1) + x^2 / ((a + 1) (a + 2)) + ..."""

    def active(inner: Build, term: Value, total: Value) -> Value:
        big = inner.compare("GT", term, inner.multiply(total, inner.like(EPSILON, total)))
        return inner.binary("and", big, wanted)

    def more(inner: Build, term: Value, total: Value, count: Value) -> list[Value]:
        return [_some_left(inner, active(inner, term, total), count)]

    def step(inner: Build, term: Value, total: Value, count: Value) -> list[Value]:
        after = inner.add(count, inner.like(1, count))
        place = inner.broadcast(inner.convert(after, "f64"), shape_of(a))
        term = inner.multiply(term, inner.divide(x, inner.add(a, place)))
        return [term, inner.add(total, term), after]

    one = b.like(1, a)
    return b.while_loop([one, one, b.splat(0, (), "i32")], more, step)[1]


def _fraction(b: Build, a: Value, x: Value, wanted: Value) -> Value:
    """1 / (x + 1 - a - 1 (1 - a) / (x + 3 - a - 2 (2 - a) / (x + 5 - a - ...)))."""

    def more(inner: Build, *state: Value) -> list[Value]:
        *_, rate, count = state
        apart = inner.unary("abs", inner.subtract(rate, inner.like(1, rate)))
        active = inner.compare("GT", apart, inner.like(EPSILON * 4, apart))
        return [_some_left(inner, inner.binary("and", active, wanted), count)]

    def step(inner: Build, c: Value, d: Value, total: Value, _: Value, count: Value) -> list[Value]:
        after = inner.add(count, inner.like(1, count))
        k = inner.broadcast(inner.convert(after, "f64"), shape_of(a))
        top = inner.multiply(k, inner.subtract(a, k))
        bottom = inner.add(inner.subtract(x, a), inner.add(inner.add(k, k), inner.like(1, k)))
        d = inner.divide(
            inner.like(1, d), _not_zero(inner, inner.add(inner.multiply(top, d), bottom))
        )
        c = _not_zero(inner, inner.add(bottom, inner.divide(top, c)))
        rate = inner.multiply(c, d)
        return [c, d, inner.multiply(total, rate), rate, after]

    one = b.like(1, a)
    first = b.divide(one, _not_zero(b, b.add(b.subtract(x, a), one)))
    state = [b.like(1 / TINY, a), first, first, b.like(0, a), b.splat(0, (), "i32")]
    return b.while_loop(state, more, step)[2]


def _not_zero(b: Build, x: Value) -> Value:
    return b.select(b.compare("EQ", x, b.like(0, x)), b.like(TINY, x), x)
