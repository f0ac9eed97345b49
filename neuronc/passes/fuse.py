"""Group StableHLO ops into kernels.

    %d = dot_general;  %s = add %d, broadcast(%b);  %t = tanh %s;  %m = reduce max %t
  becomes
    program.fusion {kind = "contract"} { dot_general, add, tanh }
    program.fusion {kind = "map"} { reduce max }

An elementwise op joins the kernel of a producer when both walk the same space and no path through
another kernel leads back; a reduction joins when the kernel reduces the same axes or none yet.
Views, iotas and splats are copied into each kernel that reads them. Everything else is a kernel of
its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.dialects.func import FuncOp
from xdsl.ir import Block, Operation, Region
from xdsl.passes import ModulePass
from xdsl.transforms.dead_code_elimination import region_dce

from neuronc.dialects.program import FusionOp
from neuronc.hardware import DEFAULT_TARGET, GENERATIONS, Generation
from neuronc.passes.classify import CONTROL
from neuronc.passes.extract import move
from neuronc.passes.group import Group, ordered, reads_of
from neuronc.passes.grouping import Grouping


@dataclass(frozen=True)
class Fuse(ModulePass):
    """stablehlo to program.fusion."""

    name = "fuse"

    target: str = DEFAULT_TARGET

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Group the ops of every function, and of the control flow inside."""
        for function in op.body.block.ops:
            if isinstance(function, FuncOp):
                fuse_block(function.body.block, GENERATIONS[self.target])
        # Views that only kernels in an inner block read have been copied there.
        region_dce(op.body)


def fuse_block(block: Block, hw: Generation) -> None:
    """Group the ops of one block, then of the blocks inside it."""
    order = ordered(Grouping(block, hw).build())
    for group in order:
        if group.kind is not None:
            _emit(block, group)
    _place(block, order)
    for op in list(block.ops):
        if isinstance(op, CONTROL):
            for region in op.regions:
                fuse_block(region.block, hw)


def _emit(block: Block, group: Group) -> None:
    """Build the fusion of one group and hand its results to their users."""
    assert group.kind is not None
    if isinstance(group.ops[0], FusionOp):
        return
    after = group.ops[-1].next_op
    part = move(group.kind, group.ops)
    fusion = FusionOp.create(
        operands=part.inputs,
        result_types=[v.type for v in part.outputs],
        attributes={"kind": StringAttr(group.kind)},
        regions=[Region(part.block)],
    )
    for old, new in zip(part.outputs, fusion.results, strict=True):
        for use in [u for u in old.uses if u.operation.parent is not part.block]:
            use.operation.operands[use.index] = new
    assert after is not None
    block.insert_op_before(fusion, after)
    group.ops = [fusion]


def _place(block: Block, order: list[Group]) -> None:
    """Lay the block out anew: fusions and control flow, each after the views it still uses."""
    last = block.last_op
    assert last is not None
    old = list(block.ops)
    for op in old:
        op.detach()
    placed: set[Operation] = set()
    mine = set(old)

    def place(op: Operation) -> None:
        if op in placed or op not in mine:
            return
        placed.add(op)
        for value in reads_of(op):
            if isinstance(value.owner, Operation):
                place(value.owner)
        block.add_op(op)

    for group in order:
        place(group.ops[0])
    place(last)
    for op in reversed(old):
        if op not in placed:
            op.erase(safe_erase=False)
