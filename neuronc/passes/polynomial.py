"""A normal form of elementwise formulas in one value: sums of products of it and of functions.

    0.5 * x * (1 + tanh(a * (x + b * x * x * x)))
  is
    0.5 x + 0.5 x tanh(a x + a b x^3)

however it was written: products are multiplied out, equal terms added, terms of 0 left out. What a
function is applied to is a normal form itself, and `1 / y` is the function "reciprocal". Two are
alike if they have the same terms, with factors that are equal or, where they are no short binary
fractions, as near as their rounding to a type allows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product

TERMS_MAX = 12
"""A longer sum is no activation."""
_SHORT = 2.0**-8
"""A factor that is a multiple of this is exact in every type."""


@dataclass(frozen=True)
class Atom:
    """The value itself, or a function of a normal form."""

    function: str
    argument: Polynomial | None = None

    @property
    def shape(self) -> str:
        """What it is, its factors aside."""
        return f"{self.function}({self.argument.shape})" if self.argument else self.function


Monomial = tuple[Atom, ...]


@dataclass(frozen=True)
class Polynomial:
    """The terms: each a product of atoms in order, and its factor."""

    terms: tuple[tuple[Monomial, float], ...]

    @staticmethod
    def of(terms: Mapping[Monomial, float]) -> Polynomial:
        """In order, without what is 0."""
        kept = ((m, f) for m, f in terms.items() if f)
        return Polynomial(tuple(sorted(kept, key=lambda term: (_shape(term[0]), term[1]))))

    @property
    def shape(self) -> str:
        """What it is, its factors aside."""
        return " + ".join(_shape(m) for m, _ in self.terms) or "0"

    @property
    def number(self) -> float | None:
        """Its value, if it does not depend on anything."""
        if not self.terms:
            return 0.0
        (monomial, factor), *others = self.terms
        return None if monomial or others else factor

    def plus(self, other: Polynomial, sign: float = 1.0) -> Polynomial:
        """The sum, or the difference."""
        terms = dict(self.terms)
        for monomial, factor in other.terms:
            terms[monomial] = terms.get(monomial, 0.0) + sign * factor
        return Polynomial.of(terms)

    def times(self, other: Polynomial) -> Polynomial:
        """The product."""
        terms: dict[Monomial, float] = {}
        for (a, f), (b, g) in product(self.terms, other.terms):
            monomial = tuple(sorted((*a, *b), key=lambda atom: atom.shape))
            terms[monomial] = terms.get(monomial, 0.0) + f * g
        return Polynomial.of(terms)


def _shape(monomial: Monomial) -> str:
    return " ".join(atom.shape for atom in monomial)


def number(value: float) -> Polynomial:
    """A constant."""
    return Polynomial.of({(): value})


def apply(function: str, argument: Polynomial) -> Polynomial:
    """A function of a normal form."""
    return Polynomial.of({(Atom(function, argument),): 1.0})


VALUE = Polynomial.of({(Atom("x"),): 1.0})
"""The value that formulas are in."""


def alike(found: Polynomial, wanted: Polynomial, rounding: float) -> bool:
    """Whether two have the same terms, and factors that a relative error of `rounding` explains."""
    if found.shape != wanted.shape:
        return False
    pairs = zip(found.terms, wanted.terms, strict=True)
    return all(
        _near(f, g, rounding)
        and all(
            p.argument is None
            or (q.argument is not None and alike(p.argument, q.argument, rounding))
            for p, q in zip(a, b, strict=True)
        )
        for (a, f), (b, g) in pairs
    )


def _near(found: float, wanted: float, rounding: float) -> bool:
    if found == wanted:
        return True
    # A product of two rounded constants has twice their error.
    return bool(wanted % _SHORT) and abs(found - wanted) <= 2.01 * rounding * abs(wanted)


def combine(name: str, operands: list[Polynomial]) -> Polynomial | None:
    """What an elementwise operation makes of normal forms; None where it has none."""
    rule = _RULES.get(name)
    made = rule(*operands) if rule else None
    return made if made is not None and len(made.terms) <= TERMS_MAX else None


def _add(a: Polynomial, b: Polynomial) -> Polynomial:
    return a.plus(b)


def _subtract(a: Polynomial, b: Polynomial) -> Polynomial:
    return a.plus(b, -1.0)


def _multiply(a: Polynomial, b: Polynomial) -> Polynomial:
    return a.times(b)


def _negate(a: Polynomial) -> Polynomial:
    return a.times(number(-1.0))


def _square(a: Polynomial) -> Polynomial:
    return a.times(a)


def _divide(above: Polynomial, below: Polynomial) -> Polynomial | None:
    divisor = below.number
    if divisor is None:
        return above.times(apply("reciprocal", below))
    return above.times(number(1 / divisor)) if divisor else None


def _power(base: Polynomial, exponent: Polynomial) -> Polynomial | None:
    count = exponent.number
    if count not in (2.0, 3.0):
        return None
    square = base.times(base)
    return square if count == 2.0 else square.times(base)


def _maximum(a: Polynomial, b: Polynomial) -> Polynomial | None:
    """max(x, 0), in either order."""
    if b.number is None:
        a, b = b, a
    return apply("relu", a) if b.number == 0 and a.number is None else None


def _function(name: str) -> Callable[[Polynomial], Polynomial]:
    return lambda x: apply(name, x)


_RULES: Mapping[str, Callable[..., Polynomial | None]] = {
    "add": _add,
    "subtract": _subtract,
    "multiply": _multiply,
    "divide": _divide,
    "negate": _negate,
    "square": _square,
    "power": _power,
    "maximum": _maximum,
    **{
        name: _function(name)
        for name in ("abs", "erf", "erfc", "exponential", "log_plus_one", "logistic", "tanh")
    },
}
