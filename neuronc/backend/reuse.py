"""Where a value may take the memory of another, as the program reads and writes them.

%y = program.call @update(%x)         tied: in the memory of %x, where nothing reads %x after
%y = while (%c = %x) { .. }           the same of a loop's variable
func @main(%w) { .. return %v }       %v in that of %w, once nothing reads %w any more
"""

from __future__ import annotations

from typing import cast

from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp
from xdsl.ir import Block, Operation, OpResult, SSAValue

from neuronc.backend.lifetime import ancestor, readers, root, spans
from neuronc.backend.overwrite import Overwrites
from neuronc.dialects.program import CallOp
from neuronc.dialects.stablehlo.control import WhileOp
from neuronc.passes.cluster import callee_of, kernels_of
from neuronc.passes.tile_index import ties_of


class Reuse:
    """What may be asked of one program, of which nothing changes meanwhile."""

    def __init__(self, module: ModuleOp, main: FuncOp, overwrites: Overwrites) -> None:
        self.span = spans(main.body.block)
        self._kernels, self._may = kernels_of(module), overwrites.may
        self._tied = {
            name: any(ties_of(op) for op in kernel.body.block.ops)
            for name, kernel in self._kernels.items()
        }

    def is_tied(self, op: CallOp) -> bool:
        """Whether the kernel that is called updates its first operand in place."""
        return self._tied[callee_of(op)]

    def continued(self, value: SSAValue) -> SSAValue | None:
        """The operand that `value`'s op, an update or a loop, may turn into it in its buffer."""
        op = value.owner
        if isinstance(op, CallOp) and self.is_tied(op) and value is op.results[0]:
            return op.operands[0] if self.dies_at(op.operands[0], op) else None
        if isinstance(op, WhileOp):
            operand = op.operands[list(op.results).index(cast(OpResult, value))]
            dead = self.dies_at(operand, op) and not is_captured(operand, op)
            return operand if dead else None
        return None

    def dies_at(self, value: SSAValue, op: Operation) -> bool:
        """Whether nothing in the block reads the value's buffer after `op`."""
        base = root(value)
        block = op.parent
        assert block is not None
        local = isinstance(base.owner, Operation) and base.owner.parent is block
        if base.owner is not block and not local:
            return False
        return all(self.span[ancestor(u, block)][1] <= self.span[op][1] for u in readers(base))

    def may_overwrite(self, argument: SSAValue, value: SSAValue, body: Block) -> bool:
        """Whether the first op that computes `value` in place is the last to read `argument`.

        That op may read it itself, if it writes each byte after it has read it.
        """
        base = root(value)
        op = base.owner
        while isinstance(op, Operation) and op.parent is body:
            before = self.continued(base)
            if before is None:
                break
            base = root(before)
            op = base.owner
        if base is argument:
            return True
        if not isinstance(op, Operation) or op.parent is not body:
            return False
        start = self.span[op][0]
        others = [u for u in readers(argument) if u is not op]
        before = all(self.span[ancestor(u, body)][1] <= start for u in others)
        return before and self._overwrites(argument, base)

    def _overwrites(self, argument: SSAValue, value: SSAValue) -> bool:
        """Whether the op that makes `value` may read `argument` from the memory it writes."""
        op = value.owner
        assert isinstance(op, Operation)
        read = [i for i, v in enumerate(op.operands) if root(v) is argument]
        if not read or not isinstance(op, CallOp):
            return not read
        number = list(op.results).index(cast(OpResult, value))
        kernel = self._kernels.get(callee_of(op))
        return kernel is not None and all(self._may(kernel, i, number) for i in read)


def is_captured(value: SSAValue, op: Operation) -> bool:
    """Whether something inside the op's regions reads the value's buffer."""
    assert op.parent is not None
    return any(u is not op and ancestor(u, op.parent) is op for u in readers(root(value)))
