"""Typed values of a random program, and what is known about their numbers.

A value is *exact* if every implementation must give the same bits: integers and booleans always,
floats while they hold integers that their type represents (`bound` is the largest magnitude). Ops
that jump (compare, floor, sort with a payload, ..) are only applied to exact values, so that a
rounding difference stays small.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, prod

from neuronc.dtypes import BY_NAME

EXACT_MAX = {"f32": 2.0**24, "f64": 2.0**53, "bf16": 2.0**8, "f16": 2.0**11}
FLOATS = ("f32", "f64", "bf16", "f16")
INTEGERS = ("i32", "i8", "ui8", "i16", "ui16", "ui32", "i64", "ui64", "i4", "ui4")
SIZE_MAX = 60_000
"""Elements of one value."""


@dataclass(frozen=True)
class Type:
    """A tensor type; `str` gives its MLIR."""

    shape: tuple[int, ...]
    kind: str

    def __str__(self) -> str:
        """As in `tensor<4x5xf32>`."""
        return f"tensor<{''.join(f'{n}x' for n in self.shape)}{self.kind}>"

    @property
    def size(self) -> int:
        """Elements."""
        return prod(self.shape)

    @property
    def rank(self) -> int:
        """Dimensions."""
        return len(self.shape)

    @property
    def is_float(self) -> bool:
        """Whether it is a real float."""
        return self.kind in FLOATS

    @property
    def is_integer(self) -> bool:
        """Whether it is an integer, booleans excluded."""
        return self.kind in INTEGERS

    def of(self, kind: str) -> Type:
        """The same shape with another element type."""
        return Type(self.shape, kind)

    def shaped(self, shape: tuple[int, ...] | list[int]) -> Type:
        """The same element type with another shape."""
        return Type(tuple(shape), self.kind)


@dataclass(frozen=True)
class Value:
    """One SSA value."""

    name: str
    type: Type
    bound: float = inf
    exact: bool = True


def settled(type_: Type, bound: float, exact: bool) -> tuple[float, bool]:
    """The bound and exactness of a result: integers wrap, floats lose exactness as they grow."""
    if type_.kind == "i1":
        return 1.0, True
    if type_.is_integer:
        bits = 8 * BY_NAME[type_.kind].bytes if type_.kind[-1] != "4" else 4
        return min(bound, 2.0**bits), True
    return bound, exact and bound <= EXACT_MAX.get(type_.kind, 0)
