"""Choices: which operands, which shapes, which constants. Everything random is drawn here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, TypeVar

from hypothesis import strategies as st

from tests.fuzz.scope import Scope
from tests.fuzz.values import FLOATS, SIZE_MAX, Type, Value

T = TypeVar("T")
Draw = Callable[[st.SearchStrategy[Any]], Any]

SMALL = (1, 2, 3, 4, 5, 7, 8, 9, 16, 17)
MIDDLE = (31, 32, 33, 64, 65, 100, 127, 128, 129, 130, 192)
LARGE = (255, 256, 257, 300, 384, 511, 512, 513, 640, 1000, 1025, 2049, 4097, 5000, 20000, 50000)


class NothingFits(Exception):
    """No value that a rule could start from; the rule is left out."""


@dataclass(frozen=True)
class Grower:
    """Draws choices and appends to a scope."""

    scope: Scope
    draw: Draw
    dims: tuple[int, ...]
    floats: tuple[str, ...]
    integers: tuple[str, ...]

    def inside(self, scope: Scope) -> Grower:
        """The same choices for an inner block."""
        return replace(self, scope=scope)

    def number(self, low: int, high: int) -> int:
        """An integer of a closed range."""
        return self.draw(st.integers(low, high))

    def choose(self, options: Sequence[T]) -> T:
        """One of some options; shrinks to the first."""
        return self.draw(st.sampled_from(list(options)))

    def chance(self, one_in: int) -> bool:
        """True once in so many times; shrinks to False."""
        return self.number(0, one_in - 1) == one_in - 1

    def subset(self, options: Sequence[T], low: int = 0) -> list[T]:
        """Some of the options, in order, at least `low`."""
        count = self.number(low, len(options))
        chosen = self.draw(st.permutations(range(len(options))))[:count]
        return [options[i] for i in sorted(chosen)]

    def order(self, count: int) -> list[int]:
        """A permutation."""
        return list(self.draw(st.permutations(range(count))))

    def shape(self, low: int = 0, high: int = 4, size: int = SIZE_MAX) -> tuple[int, ...]:
        """A shape of the program's dimensions."""
        shape = [self.choose(self.dims) for _ in range(self.number(low, high))]
        while prod(shape) > size:
            shape[shape.index(max(shape))] = min(n for n in (*self.dims, 2))
        return tuple(shape)

    def kind(self) -> str:
        """An element type, mostly the program's float."""
        return self.choose((*self.floats, *self.floats, *self.integers))

    def pick(self, where: Callable[[Value], bool], low: int = 0, high: int = 4) -> Value:
        """A value that fulfils `where`, mostly a recent one; a new float or integer if none does.

        A new one has a shape of rank `low` to `high`, and is what `where` wants; else NothingFits.
        """
        found = [v for v in reversed(self.scope.values) if where(v)]
        if found and not self.chance(8):
            return self.choose(found[:12])
        for kind in (*self.floats, *self.integers, "i1"):
            for exact in (True, False):
                probe = Value("%p", Type((2,) * low, kind), 4.0, exact)
                if where(probe):
                    return self.fresh(Type(self.shape(low, high), kind), exact)
        if found:
            return self.choose(found[:12])
        raise NothingFits

    def fresh(self, type_: Type, exact: bool | None = None) -> Value:
        """A new argument."""
        if type_.kind in FLOATS:
            whole = self.choose((True, False)) if exact is None else exact
            if whole:
                special = self.scope.depth == 0 and self.chance(40)
                data, bound = ("special", 4.0) if special else ("small", 4.0)
                return self.scope.argument(type_, data, bound, True)
            return self.scope.argument(type_, "normal", 4.0, False)
        if type_.kind == "i1":
            return self.scope.argument(type_, "any", 1.0, True)
        if self.chance(3):
            return self.scope.argument(type_, "any", 2.0**64, True)
        return self.scope.argument(type_, "small", 8.0, True)

    def index(self, shape: tuple[int, ...], limit: int, kind: str | None = None) -> Value:
        """An argument of positions around 0 .. limit, some outside.

        Only of a type that holds the limit: XLA compares in the positions' type, where the bound
        of a larger dimension wraps, and then skips positions that are inside.
        """
        narrow = ("i8",) if limit < 2**7 else ()
        type_ = Type(shape, kind or self.choose(("i32", "i32", "ui32", "i64", *narrow)))
        return self.scope.argument(type_, f"index {limit}", 2.0**31, True)

    def splat(self, type_: Type) -> Value:
        """A constant with one value everywhere."""
        if type_.kind == "i1":
            return self.scope.constant(type_, self.choose(("true", "false")), 1.0)
        if type_.kind in FLOATS:
            number = self.choose((0.0, 1.0, 2.0, -1.0, 3.0, 0.5, -0.75))
            return self.scope.constant(type_, f"{number:e}", abs(number), number == int(number))
        number = self.choose((0, 1, 2, 3) if type_.kind.startswith("u") else (0, 1, -1, 2, 3))
        return self.scope.constant(type_, str(number), abs(number))

    def like(self, type_: Type, exact: bool | None = None) -> Value:
        """A value of this type: an existing one, one repeated over it, a splat or an argument."""
        fits = [
            v
            for v in reversed(self.scope.values)
            if v.type.kind == type_.kind and (v.exact or not exact)
        ]
        same = [v for v in fits if v.type == type_]
        smaller = [v for v in fits if v.type != type_ and _spread(v.type, type_) is not None]
        way = self.choose(("same", "smaller", "splat", "new"))
        if way == "same" and same:
            return self.choose(same[:8])
        if way in ("same", "smaller") and smaller:
            return self.broadcast(self.choose(smaller[:8]), type_)
        if way == "splat":
            made = self.splat(type_)
            return made if made.exact or not exact else self.fresh(type_, True)
        if self.chance(3) and type_.rank:
            kept = self.subset(range(type_.rank))
            part = type_.shaped([type_.shape[d] for d in kept])
            return self.repeat(self.fresh(part, exact), type_, kept)
        return self.fresh(type_, exact)

    def broadcast(self, value: Value, type_: Type) -> Value:
        """A smaller value over a larger shape of the same trailing or named dimensions."""
        dimensions = _spread(value.type, type_)
        assert dimensions is not None
        return self.repeat(value, type_, dimensions)

    def repeat(self, value: Value, type_: Type, dimensions: Sequence[int]) -> Value:
        """broadcast_in_dim."""
        return self.scope.op(
            "broadcast_in_dim",
            [value],
            type_,
            f"broadcast_dimensions = {array(dimensions)}",
            bound=value.bound,
        )


def array(numbers: Sequence[int], kind: str = "i64") -> str:
    """As in `array<i64: 1, 2>`."""
    return f"array<{kind}: {', '.join(map(str, numbers))}>" if numbers else f"array<{kind}>"


def _spread(small: Type, large: Type) -> list[int] | None:
    """Dimensions of `large` that those of `small` can be, from the last one back."""
    dimensions: list[int] = []
    d = large.rank
    for n in reversed(small.shape):
        d = next((e for e in range(d - 1, -1, -1) if n in (1, large.shape[e])), -1)
        if d < 0:
            return None
        dimensions.insert(0, d)
    return dimensions
