"""Tiny programs with a hole for the element type.

Types are written `2x3xT`: T is the element type that varies, R its real counterpart (f32 for
complex<f32>, T otherwise), C the complex type made of T, U the unsigned integer as wide as T.
"""

from __future__ import annotations

from dataclasses import dataclass

from neuronc.dtypes import BY_NAME
from neuronc.numerics.casting import bits

PER_TENSOR = "!quant.uniform<i8:f32, 0.25:-3>"
PER_AXIS = "!quant.uniform<i8:f32:1, {0.5, 0.25, 0.125}>"
QUANTISED = {"quant i8": PER_TENSOR, "quant i8 per axis": PER_AXIS}
"""Spellings by the name that the tables use."""

KINDS = (*BY_NAME, *QUANTISED)
"""Every element type of the sweep."""


@dataclass(frozen=True)
class Template:
    """One use of one operation."""

    op: str
    operands: str
    """Types, separated by blanks; the program's arguments, %a, %b, .."""
    results: str
    attributes: str = ""
    region: str = ""
    values: str = "any"
    """Which values the operands of type T get, a key of `values.MAKERS`."""
    variant: str = ""
    before: str = ""
    """Lines in front of the operation; `{T}` stands for the element type."""
    extra: str = ""
    """Operands besides the arguments, made by `before`: `%s 2xi64` ..."""
    others: str = ""
    """Other functions of the module."""
    used: int | None = None
    """How many of the arguments are the operation's operands; by default all."""
    kinds: tuple[str, ...] = KINDS
    """The element types that it is tried at."""

    @property
    def id(self) -> str:
        """Its name, unique."""
        return f"{self.op}{' ' if self.variant else ''}{self.variant}"

    def argument_types(self, kind: str) -> list[str]:
        """MLIR types of the arguments."""
        return [_typed(word, kind) for word in self.operands.split()]

    def text(self, kind: str) -> str:
        """The module for one element type."""
        types = self.argument_types(kind)
        names = [f"%{chr(ord('a') + i)}" for i in range(len(types))]
        extra = self.extra.split()
        uses = [*names[: self.used], *extra[::2]]
        used = [*types[: self.used], *(_typed(word, kind) for word in extra[1::2])]
        results = [_typed(word, kind) for word in self.results.split()]
        returned = ", ".join(results)
        bound, values = _bindings(len(results))
        attributes = f" <{{{_filled(self.attributes, kind)}}}>" if self.attributes else ""
        region = f" ({_filled(self.region, kind)})" if self.region else ""
        parameters = ", ".join(f"{n}: {t}" for n, t in zip(names, types, strict=True))
        return (
            f"func.func @main({parameters}) -> ({returned}) {{\n{_filled(self.before, kind)}\n"
            f'{bound}"{self.op}"({", ".join(uses)}){attributes}{region} : '
            f"({', '.join(used)}) -> ({returned})\nreturn{values} {':' if results else ''} "
            f"{returned}\n}}\n{_filled(self.others, kind)}\n"
        )


def _bindings(count: int) -> tuple[str, str]:
    if count == 0:
        return "", ""
    if count == 1:
        return "%0 = ", " %0"
    return f"%0:{count} = ", " " + ", ".join(f"%0#{i}" for i in range(count))


def _typed(word: str, kind: str) -> str:
    if word.startswith(("!", "tuple")):
        return _filled(word, kind)
    extents, _, element = word.rpartition("x")
    element = _element(element, kind)
    return f"tensor<{extents}{'x' if extents else ''}{element}>"


def _element(letter: str, kind: str) -> str:
    """The element type that a letter stands for."""
    spelled = QUANTISED.get(kind, kind)
    if letter == "T":
        return spelled
    if letter == "R":
        return spelled.removeprefix("complex<").removesuffix(">")
    if letter == "C":
        return f"complex<{spelled}>"
    if letter == "U":
        return f"ui{_width(kind)}"
    return letter


def _width(kind: str) -> int:
    return bits(BY_NAME[kind].numpy) if kind in BY_NAME else 8


def _filled(text: str, kind: str) -> str:
    """Text with `{T}` and its like filled in."""
    for letter in "TRCU":
        text = text.replace("{" + letter + "}", _element(letter, kind))
    return text.replace("{one}", _one(kind))


def _one(kind: str) -> str:
    """The number one as a literal."""
    if kind.startswith("complex"):
        return "(1.0, 0.0)"
    return "true" if kind == "i1" else "1.0" if kind.startswith(("f", "bf")) else "1"
