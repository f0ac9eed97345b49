"""How an op of the tile and machine dialects reaches into a block or a buffer.

An access is affine in the loops around it: `offset` holds a constant and one coefficient per
enclosing loop, outermost first. On chip it selects partitions, then free (step, count) pairs; in
HBM (no partitions) only pairs. Everything is in elements.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.ir import Data
from xdsl.irdl import irdl_attr_definition
from xdsl.parser import AttrParser
from xdsl.printer import Printer


@dataclass(frozen=True)
class Affine:
    """constant + sum(coefficients[depth] * loop[depth])."""

    constant: int = 0
    coefficients: tuple[int, ...] = ()

    def __add__(self, other: Affine | int) -> Affine:
        """Sum with another affine value or a constant."""
        if isinstance(other, int):
            return Affine(self.constant + other, self.coefficients)
        a, b = self.coefficients, other.coefficients
        width = max(len(a), len(b))
        a, b = a + (0,) * (width - len(a)), b + (0,) * (width - len(b))
        both = tuple(x + y for x, y in zip(a, b, strict=True))
        return Affine(self.constant + other.constant, both)

    def __mul__(self, factor: int) -> Affine:
        """Scale by a constant."""
        return Affine(self.constant * factor, tuple(c * factor for c in self.coefficients))

    def __str__(self) -> str:
        """Render like `4 + 128*i0`."""
        terms = [f"{c}*i{d}" for d, c in enumerate(self.coefficients) if c]
        return " + ".join([str(self.constant), *terms])


@dataclass(frozen=True)
class Access:
    """One operand's window: offset, (step, count) pairs, and the partitions on chip."""

    offset: Affine
    pairs: tuple[tuple[int, int], ...]
    partition_start: int = 0
    partitions: int = 0
    """0 for an access to HBM."""

    @property
    def is_column(self) -> bool:
        """Whether it reads one element of each partition, as often as it has counts."""
        return not any(step for step, count in self.pairs if count > 1)

    def __str__(self) -> str:
        """Render like `[0:128] 4 + 128*i0 : (1, 512)`."""
        stop = self.partition_start + self.partitions
        where = f"[{self.partition_start}:{stop}] " if self.partitions else ""
        pairs = " ".join(f"({step}, {count})" for step, count in self.pairs)
        return f"{where}{self.offset} : {pairs}".rstrip()


@irdl_attr_definition
class AccessAttr(Data[Access]):
    """An `Access` as an attribute: `#tile.access<[0:128] 0 + 128*i0 : (1, 512)>`."""

    name = "tile.access"

    def print_parameter(self, printer: Printer) -> None:
        """Print between angle brackets."""
        with printer.in_angle_brackets():
            printer.print_string(str(self.data))

    @classmethod
    def parse_parameter(cls, parser: AttrParser) -> Access:
        """Parse what `print_parameter` prints."""
        with parser.in_angle_brackets():
            start, stop = 0, 0
            if parser.parse_optional_punctuation("["):
                start = parser.parse_integer()
                parser.parse_punctuation(":")
                stop = parser.parse_integer()
                parser.parse_punctuation("]")
            offset = _parse_affine(parser)
            parser.parse_punctuation(":")
            pairs: list[tuple[int, int]] = []
            while parser.parse_optional_punctuation("("):
                step = parser.parse_integer()
                parser.parse_punctuation(",")
                pairs.append((step, parser.parse_integer()))
                parser.parse_punctuation(")")
        return Access(offset, tuple(pairs), start, stop - start)


def _parse_affine(parser: AttrParser) -> Affine:
    value = Affine(parser.parse_integer())
    while parser.parse_optional_punctuation("+"):
        factor = parser.parse_integer()
        parser.parse_punctuation("*")
        depth = int(parser.parse_identifier().removeprefix("i"))
        value = value + Affine(0, (0,) * depth + (factor,))
    return value
