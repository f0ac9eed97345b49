"""Take a mask of scores apart where a part of it compares positions.

    %m = and %causal, %rest;  %c = select %m, %s, -inf
  becomes
    %d = select %rest, %s, -inf;  %c = select %causal, %d, -inf

So a sliding window is two comparisons that a kernel knows, and of a causal mask with padding only
the padding is loaded, as small as it is. It applies to conjunctions under a select that puts one
number, through views; and likewise to disjunctions where the select shows what is false.
"""

from __future__ import annotations

from collections.abc import Iterable

from xdsl.ir import Operation, SSAValue

from neuronc.dialects.stablehlo.binary import AndOp, OrOp
from neuronc.passes.functions import function_name
from neuronc.passes.rewriting import Before, replace
from neuronc.passes.views import is_view_op, splat_of
from neuronc.passes.visibility import visible_of


def split_masks(ops: Iterable[Operation]) -> bool:
    """Split the selects among `ops`; whether there was one to split."""
    return any([_split(op) for op in ops if function_name(op) == "select"])


def _split(op: Operation) -> bool:
    filled = [splat_of(v) is not None for v in op.operands[1:]]
    if sum(filled) != 1 or visible_of(op.operands[0]) is not None:
        return False
    parts = _parts(op, op.operands[0], OrOp if filled[0] else AndOp)
    if not any(visible_of(part) is not None for part in parts):
        return False
    at = 2 if filled[0] else 1
    chosen, scores = list(op.operands), op.operands[at]
    for part in sorted(parts, key=lambda p: visible_of(p) is not None):
        chosen[0], chosen[at] = part, scores
        scores = Before(op).elementwise("select", *chosen)
    replace(op, scores)
    return True


def _parts(op: Operation, mask: SSAValue, joint: type[AndOp | OrOp]) -> list[SSAValue]:
    """What a mask is the conjunction (or disjunction) of, each seen through the same views."""
    views: list[Operation] = []
    made = mask.owner
    while isinstance(made, Operation) and is_view_op(made):
        views.append(made)
        made = made.operands[0].owner
    if not isinstance(made, joint):
        return [mask]
    return [
        part for operand in made.operands for part in _parts(op, _seen(op, operand, views), joint)
    ]


def _seen(op: Operation, value: SSAValue, views: list[Operation]) -> SSAValue:
    """A value through copies of some views, the last one first; made right before `op`."""
    block = op.parent
    assert block is not None
    for view in reversed(views):
        copy = view.clone({view.operands[0]: value})
        block.insert_op_before(copy, op)
        value = copy.results[0]
    return value
