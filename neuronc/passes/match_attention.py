"""Find attention, and make it one kernel that never writes its scores to HBM.

    %s = dot_general %q, %k;  %c = multiply %s, 0.125;  %m = reduce max %c;  %e = exp(%c - %m)
    %p = divide %e, reduce add %e;  %o = dot_general %p, %v
  becomes
    program.fusion {kind = "attention"} { ... }

It applies to what computes that, however written: see `read_attention` for what lies between, and
`attention_space.py` for heads that share keys. Comparisons of positions come along, so that a
causal mask or a window is known and not loaded; transposes and reshapes of the result too, which
the kernel then writes as they want it. Of the ways to write attention,

  causal, sliding window             fused: a mask by position costs what it shows
  mask or bias that is data          fused: read by tile, once for each head
  grouped or one head of keys        fused: keys are loaded once for all that share them
  few queries, as a decode step      fused: all heads at once where that is cheaper
  soft cap (Gemma 2), scaled before  fused: applied to each block of scores
  safe softmax (PyTorch)             fused: rows that show nothing are 0
  rotary embedding, either way       a kernel before this one, see match-rotary
  weights that are a result          not: they are written anyway, as a training step keeps them
  dropout                            not: its random mask is of weights, in HBM, as large as they
  a mask of exponentials             not: their sum is not that of what the maximum is of
  no maximum, or another             not: what overflows in the program would not in the kernel
  division after the values          not: the exponentials are rounded where weights would be
  a column beside the scores (sinks) not: their concatenate is no elementwise operation
  keys and values of two types       not: what transposes one's blocks has the other's PSUM tile
  keys and values of a head > SBUF   not: they stay on chip for all its queries
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.dialects.func import FuncOp
from xdsl.ir import Block, Operation, Region, SSAValue
from xdsl.passes import ModulePass
from xdsl.transforms.dead_code_elimination import region_dce

from neuronc.dialects.program import FusionOp
from neuronc.dialects.stablehlo.contraction import DotGeneralOp
from neuronc.dialects.stablehlo.movement import ReshapeOp, TransposeOp
from neuronc.hardware import DEFAULT_TARGET, GENERATIONS, Generation
from neuronc.passes.attention import Attention
from neuronc.passes.attention_plan import fits
from neuronc.passes.attention_space import space_of
from neuronc.passes.classify import ATTENTION, CONTRACT, CONTROL, is_source, kind_of
from neuronc.passes.extract import extract
from neuronc.passes.read_attention import read_attention
from neuronc.passes.split_masks import split_masks
from neuronc.passes.views import is_view_op


@dataclass(frozen=True)
class MatchAttention(ModulePass):
    """dot, softmax, dot to one fusion."""

    name = "match-attention"

    target: str = DEFAULT_TARGET

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Visit every function, and the control flow inside."""
        hw = GENERATIONS[self.target]
        found = [_visit(f.body.block, hw) for f in op.body.block.ops if isinstance(f, FuncOp)]
        if any(found):
            region_dce(op.body)


def _visit(block: Block, hw: Generation) -> bool:
    order = {op: i for i, op in enumerate(block.ops)}
    found = False
    for op in list(order):
        if isinstance(op, CONTROL):
            found |= any([_visit(region.block, hw) for region in op.regions])
        elif isinstance(op, DotGeneralOp) and kind_of(op) == CONTRACT:
            found |= _match(op, order, hw)
    return found


def _match(score: DotGeneralOp, order: Mapping[Operation, int], hw: Generation) -> bool:
    it = read_attention(score, order, is_source)
    if it is None or kind_of(it.value) != CONTRACT:
        return False
    if split_masks(op for op, _ in it.loads):
        assert score.parent is not None
        return _match(score, {op: i for i, op in enumerate(score.parent.ops)}, hw)
    trail: list[SSAValue] = [it.value.results[0]]
    while (after := _lone_view(trail[-1])) is not None:
        trail.append(after)
    for at in range(len(trail), 0, -1):
        space = space_of(it, trail[at - 1], is_source)
        if space is not None and fits(space, it, hw):
            _rewrite(it, trail[:at])
            return True
    return False


def _lone_view(value: SSAValue) -> SSAValue | None:
    """The transpose or reshape that alone reads `value`."""
    users = [use.operation for use in value.uses]
    alone = len(users) == 1 and isinstance(users[0], ReshapeOp | TransposeOp)
    return users[0].results[0] if alone else None


def _rewrite(it: Attention, trail: list[SSAValue]) -> None:
    ops = [*_positions(it), *it.ops, *(v.owner for v in trail[1:])]
    part = extract(ATTENTION, [o for o in ops if isinstance(o, Operation)], [trail[-1]])
    fusion = FusionOp.create(
        operands=part.inputs,
        result_types=[trail[-1].type],
        attributes={"kind": StringAttr(ATTENTION)},
        regions=[Region(part.block)],
    )
    last = trail[-1].owner
    block = it.value.parent
    assert isinstance(last, Operation)
    assert block is not None
    block.insert_op_before(fusion, last)
    trail[-1].replace_all_uses_with(fusion.results[0])


def _positions(it: Attention) -> list[Operation]:
    """The ops that compute the predicates of positions, views aside, each after what it reads."""
    found: dict[Operation, None] = {}

    def visit(value: SSAValue) -> None:
        op = value.owner
        if isinstance(op, Operation) and op.operands and op not in found:
            for operand in op.operands:
                visit(operand)
            found[op] = None

    for select in it.visible:
        visit(select.operands[0])
    return [op for op in found if not is_view_op(op)]
