"""What ops read: the values with buffers behind views, and the ops that decide about kernels.

    %t = transpose %x;  %b = broadcast_in_dim %t;  %y = add %a, %b       add reads %a, %x

Views, iotas, splats and what `simplify` makes splats of cost nothing where they are read, so they
belong to their readers; and so do comparisons of positions, since a causal mask is to be known as
one where it is applied. What is left are the steps of a block. Two steps are alike when they
compute the same from values of the same types, seen through the same views; which values they are
does not matter.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

from xdsl.ir import Block, Operation, SSAValue

from neuronc.dialects.stablehlo.constant import ConstantOp
from neuronc.dialects.stablehlo.movement import ReshapeOp
from neuronc.dialects.types import element_type, is_tensor
from neuronc.passes.classify import is_counted, is_source
from neuronc.passes.functions import is_elementwise
from neuronc.passes.signatures import Signatures
from neuronc.passes.views import is_view_op, splat_of, view_of


@dataclass(frozen=True)
class Read:
    """A value as an op reads it."""

    value: SSAValue
    how: int
    """The number of the views between root and value, and of what made it where there is none."""
    root: SSAValue | None
    """The value with a buffer; None for iotas and splats."""
    uniform: bool = False
    """Whether it is made of splats alone."""


@dataclass(frozen=True, eq=False)
class Step:
    """An op that is no view, iota, constant or end of a block."""

    op: Operation
    kind: int
    """Equal for steps that are alike."""
    reads: tuple[Read, ...]


@dataclass
class Reader:
    """Resolves reads; numbers are comparable within one reader."""

    signatures: Signatures = field(default_factory=Signatures)
    numbers: dict[Hashable, int] = field(default_factory=dict[Hashable, int])
    known: dict[SSAValue, Read] = field(default_factory=dict[SSAValue, Read])

    def number(self, key: Hashable) -> int:
        """The number of a description."""
        return self.numbers.setdefault(key, len(self.numbers))

    def steps(self, block: Block) -> list[Step]:
        """The steps of a block, in order."""
        ops = [op for op in block.ops if op is not block.last_op]
        return [self._step(op) for op in ops if not self.is_folded(op)]

    def is_folded(self, op: Operation) -> bool:
        """Whether readers make the op's result themselves, or it is a constant's buffer."""
        if type(op) is ConstantOp:
            return True
        return len(op.results) == 1 and self.read(op.results[0]).root is not op.results[0]

    def reads(self, op: Operation) -> tuple[Read, ...]:
        """What an op and its regions read from outside, in order."""
        if not op.regions:
            return tuple([self.read(v) for v in op.operands])
        return tuple(self.read(v) for v in (*op.operands, *captured(op)))

    def read(self, value: SSAValue) -> Read:
        """One value, resolved."""
        found = self.known.get(value)
        if found is None:
            found = self.known[value] = self._resolve(value)
        return found

    def _step(self, op: Operation) -> Step:
        reads = self.reads(op)
        number = self.signatures.number
        key = self.signatures.alone(op), tuple([(r.how, number(r.value.type)) for r in reads])
        return Step(op, self.number(key), reads)

    def _resolve(self, value: SSAValue) -> Read:
        op = value.owner
        plain = Read(value, self.number(self.signatures.number(value.type)), value)
        if isinstance(op, Block):
            return plain
        if type(op) is ConstantOp:
            if splat_of(value) is None:
                return plain
            return Read(value, self.number(self.signatures.alone(op)), None, uniform=True)
        if is_counted(op):
            return Read(value, self.number(self.signatures.alone(op)), None)
        if is_view_op(op) and not self._is_copy(op, value):
            inner = self.read(op.operands[0])
            how = self.number((self.signatures.alone(op), inner.how))
            return Read(value, how, inner.root, inner.uniform)
        if op.operands and len(op.results) == 1 and not op.regions and is_tensor(value):
            made = [self.read(v) for v in op.operands]
            uniform = all(read.uniform for read in made)
            counted = not element_type(value).is_float and all(read.root is None for read in made)
            if (uniform or counted) and is_elementwise(op):
                how = self.number((self.signatures.alone(op), *(read.how for read in made)))
                return Read(value, how, None, uniform)
        return plain

    def _is_copy(self, op: Operation, value: SSAValue) -> bool:
        """Whether a reshape sees what no strides describe, so that it becomes a kernel."""
        before = op.operands[0].owner
        if type(op) is not ReshapeOp or isinstance(before, Block) or not is_view_op(before):
            return False
        return splat_of(value) is None and view_of(value, self._has_buffer) is None

    def _has_buffer(self, value: SSAValue) -> bool:
        found = self.known.get(value)
        return is_source(value) or (found is not None and found.root is value)


def captured(op: Operation) -> list[SSAValue]:
    """Values from outside that the regions of an op use, each as often as it does."""
    inner = [o for region in op.regions for o in region.walk()]
    made: set[SSAValue] = {v for o in inner for v in o.results}
    made.update(v for o in (op, *inner) for r in o.regions for b in r.blocks for v in b.args)
    return [v for o in inner for v in o.operands if v not in made]
