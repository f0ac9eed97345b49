"""What an op of the tile dialect reads or writes: columns of a block on chip, or parts of HBM."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod

from xdsl.ir import SSAValue

from neuronc.dialects.access import Access, Affine
from neuronc.dtypes import ElementType

Operand = tuple[SSAValue, Access]


@dataclass(frozen=True)
class Ref:
    """Columns of a block on chip: [partitions, columns] of one element type, from `base` on."""

    value: SSAValue
    partitions: int
    columns: int
    element: ElementType
    base: Affine = field(default_factory=Affine)

    def __getitem__(self, pairs: Sequence[tuple[int, int]]) -> Operand:
        """The access that walks these (step, count) pairs from the first column."""
        return self.at(Affine(), tuple(pairs))

    def all(self) -> Operand:
        """The whole block."""
        return self.at(Affine(), ((1, self.columns),))

    def at(
        self,
        offset: Affine | int,
        pairs: tuple[tuple[int, int], ...],
        partition_start: int = 0,
        partitions: int | None = None,
    ) -> Operand:
        """Columns `pairs` from `offset`, of some partitions."""
        count = self.partitions - partition_start if partitions is None else partitions
        return self.value, Access(self.base + offset, pairs, partition_start, count)


def hbm(value: SSAValue, offset: Affine | int, pairs: Sequence[tuple[int, int]]) -> Operand:
    """An access to an HBM buffer."""
    start = offset if isinstance(offset, Affine) else Affine(offset)
    return value, Access(start, tuple(pairs))


def shape_pairs(shape: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Dense row-major pairs of a shape."""
    return tuple((prod(shape[d + 1 :]), size) for d, size in enumerate(shape))
