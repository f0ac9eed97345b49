"""The space of a kernel: what its values have an element for, and which axes reductions remove.

    %e = exponential %x : [128, 512];  %s = reduce add %e, dims [1] : [128]
  walk
    the shape [128, 512] of which [1] is reduced: %e is full, %s a row value

A full value has an element for each index of the shape, a row value one for each that stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from xdsl.ir import Operation

from neuronc.dialects.stablehlo.reduction import ReduceOp
from neuronc.dialects.types import shape_of
from neuronc.passes.attributes import ints


@dataclass(frozen=True)
class Space:
    """The domain of a kernel: its shape, and which axes reductions remove."""

    shape: tuple[int, ...] = ()
    reduced: tuple[int, ...] = ()

    @property
    def kept(self) -> tuple[int, ...]:
        """The axes that stay."""
        return tuple(d for d in range(len(self.shape)) if d not in self.reduced)

    @property
    def rows(self) -> tuple[int, ...]:
        """The shape of a row value."""
        return tuple(self.shape[d] for d in self.kept)

    def is_full(self, shape: tuple[int, ...]) -> bool:
        """Whether a value of this shape has an element for each index."""
        return not self.reduced or prod(shape) == prod(self.shape)


def space_of(op: Operation) -> Space:
    """The space that an elementwise op, a reduction or a contraction walks by itself."""
    if isinstance(op, ReduceOp):
        return Space(shape_of(op.operands[0]), tuple(ints(op, "dimensions")))
    return Space(shape_of(op.results[0]))


def shared_space(ops: Sequence[Operation]) -> Space:
    """The space that all ops of a kernel walk: that of a reduction, if it has one."""
    return space_of(next((op for op in ops if isinstance(op, ReduceOp)), ops[0]))
