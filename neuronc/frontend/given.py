"""What a user gives for dynamic shapes: shapes of arguments, extents of symbols.

    f32[b, 4], f32[2*b]  and  {"b": 3}            give  f32[3, 4], f32[6]
    f32[b, 4], f32[2*b]  and  {"arg0": (3, 4)}    give  f32[3, 4], f32[6]
    f32[?, 4]            and  {"arg0": (3, 4)}    give  f32[3, 4]

A symbol that is an extent by itself gets its value from a given shape, and all others must agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from neuronc.errors import InputError
from neuronc.frontend.symbols import evaluate, names_in

Shapes = Mapping[int | str, int | Sequence[int]]
"""Shapes of arguments by position or name, and extents of symbols by name."""

UNKNOWN = "?"
Extent = int | str
"""Known, an expression of symbols, or unknown."""


@dataclass(frozen=True)
class Arguments:
    """The arguments of a program; `where` is what messages call the program."""

    names: Sequence[str]
    shapes: Sequence[Sequence[Extent]]
    where: str

    @property
    def symbols(self) -> list[str]:
        """All symbols, in the order in which they appear."""
        extents = [e for shape in self.shapes for e in shape if isinstance(e, str) and e != UNKNOWN]
        return list(dict.fromkeys(name for extent in extents for name in names_in(extent)))

    def fill_in(self, given: Shapes) -> list[list[Extent]]:
        """Return the shapes with what follows from `given` filled in.

        Raises:
            InputError: something given is for nothing, does not fit, or contradicts the rest.
        """
        shapes = [list(shape) for shape in self.shapes]
        values = self._values(given)
        for key, shape in given.items():
            if not isinstance(shape, int):
                index = self._index(key)
                self._check_fit(index, shape)
                shapes[index] = list(shape)
                values |= self._learned(index, shape, values)
        for index, shape in enumerate(shapes):
            for dimension, extent in enumerate(self.shapes[index]):
                value = evaluate(extent, values) if isinstance(extent, str) else None
                if value is not None:
                    self._check_agreement(index, dimension, shape[dimension], value, values)
                    shape[dimension] = value
        return shapes

    def _values(self, given: Shapes) -> dict[str, int]:
        """The extents that are given for symbols."""
        values: dict[str, int] = {}
        for key, value in given.items():
            if isinstance(value, int):
                if key not in self.symbols:
                    raise self._for_nothing(key, "symbol")
                if value < 0:
                    what, hint = f"{value} is no extent for symbol {key}", "extents are 0 or more"
                    raise InputError(self.where, what, hint, code="NRC-0110")
                values[str(key)] = value
        return values

    def _index(self, key: int | str) -> int:
        """The argument of a name, or `arg0`, or a position."""
        names = {f"arg{k}": k for k in range(len(self.names))}
        names |= {name: k for k, name in enumerate(self.names)}
        index = names.get(key, -1) if isinstance(key, str) else key
        if not 0 <= index < len(self.names):
            raise self._for_nothing(key, "argument")
        return index

    def _for_nothing(self, key: int | str, kind: str) -> InputError:
        listed = f"arguments: {', '.join(self.names)}"
        places = kind == "symbol"
        symbols = [f"{name}{self._place(name) if places else ''}" for name in self.symbols]
        hint = f"{listed}; symbols: {', '.join(symbols) or 'none'}"
        return InputError(self.where, f"{key!r} is no {kind}", hint, code="NRC-0109")

    def _place(self, symbol: str) -> str:
        """Where a symbol is an extent by itself, since its producer may have named it."""
        for name, shape in zip(self.names, self.shapes, strict=True):
            if symbol in shape:
                return f" (dimension {list(shape).index(symbol)} of {name})"
        return ""

    def _check_fit(self, index: int, given: Sequence[int]) -> None:
        """One extent for each dimension, none negative, and the known ones as they are."""
        own = self.shapes[index]
        known = [isinstance(extent, int) for extent in own]
        if len(own) != len(given) or any(
            new < 0 or (fixed and old != new)
            for old, new, fixed in zip(own, given, known, strict=True)
        ):
            shape = "x".join(map(str, given))
            what = f"shape {shape} does not fit {self.names[index]}, {_brackets(own)}"
            hint = "give one extent for each dimension, and the known ones as they are"
            raise InputError(self.where, what, hint, code="NRC-0110")

    def _learned(
        self, index: int, given: Sequence[int], values: Mapping[str, int]
    ) -> dict[str, int]:
        """The symbols that a shape gives values to."""
        pairs = zip(self.shapes[index], given, strict=True)
        return {s: n for s, n in pairs if isinstance(s, str) and s.isidentifier()} | dict(values)

    def _check_agreement(
        self, index: int, dimension: int, given: Extent, value: int, values: Mapping[str, int]
    ) -> None:
        """What was given for an extent is what it comes to."""
        extent = self.shapes[index][dimension]
        if isinstance(given, int) and given != value:
            where = f"dimension {dimension} of {self.names[index]}"
            what = f"{given} was given for {where}, but {extent} is {value}"
            known = ", ".join(f"{name} = {n}" for name, n in values.items())
            hint = f"{self.names[index]} is {_brackets(self.shapes[index])}, and {known}"
            raise InputError(self.where, what, hint, code="NRC-0111")


def _brackets(shape: Sequence[Extent]) -> str:
    return f"[{', '.join(map(str, shape))}]"
