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

from xdsl.ir import Attribute, Block, Operation, SSAValue

from neuronc.dialects.stablehlo.constant import ConstantOp
from neuronc.dialects.stablehlo.movement import ReshapeOp
from neuronc.dialects.types import element_type, is_tensor
from neuronc.passes.classify import is_counted, is_source
from neuronc.passes.functions import is_elementwise
from neuronc.passes.signatures import Signatures
from neuronc.passes.steps import Body, Read, Step
from neuronc.passes.views import is_view_op, splat_of, view_of

_Read = Read[SSAValue]
_Step = Step[Operation, SSAValue]


@dataclass
class Reader:
    """Resolves reads; numbers are comparable within one reader."""

    signatures: Signatures = field(default_factory=Signatures)
    numbers: dict[Hashable, int] = field(default_factory=dict[Hashable, int])
    known: dict[SSAValue, _Read] = field(default_factory=dict[SSAValue, _Read])

    def number(self, key: Hashable) -> int:
        """The number of a description."""
        return self.numbers.setdefault(key, len(self.numbers))

    def body(self, block: Block) -> Body[Operation, SSAValue]:
        """A block's steps, in order."""
        *ops, end = block.ops
        return Body([self.step(op) for op in ops if not self.is_folded(op)], self.reads(end))

    def is_folded(self, op: Operation) -> bool:
        """Whether readers make the op's result themselves, or it is a constant's buffer."""
        if type(op) is ConstantOp:
            return True
        return len(op.results) == 1 and self.read(op.results[0]).root is not op.results[0]

    def reads(self, op: Operation) -> tuple[_Read, ...]:
        """What an op and its regions read from outside, in order."""
        if not op.regions:
            return tuple([self.read(v) for v in op.operands])
        return tuple(self.read(v) for v in (*op.operands, *captured(op)))

    def read(self, value: SSAValue) -> _Read:
        """One value, resolved."""
        found = self.known.get(value)
        if found is None:
            found = self.known[value] = self._resolve(value)
        return found

    def step(self, op: Operation) -> _Step:
        """An op as a step."""
        reads = self.reads(op)
        number = self.signatures.number
        key = self.signatures.alone(op), tuple([(r.how, number(r.value.type)) for r in reads])
        return Step(op, op, self.number(key), reads, tuple(op.results))

    def how(self, type_: Attribute) -> int:
        """How a buffer of a type is read."""
        return self.number(self.signatures.number(type_))

    def _resolve(self, value: SSAValue) -> _Read:
        op = value.owner
        plain = Read(value, self.how(value.type), value)
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
