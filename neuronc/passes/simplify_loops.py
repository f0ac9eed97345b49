"""Take out of a loop's variables what its body hands on unchanged.

%r:2 = while(%i = %a, %w = %b) .. do { ..  return %j, %w }
becomes
%r = while(%i = %a) .. do { ..  return %j }          where the body reads %b itself
"""

from __future__ import annotations

from neuronc.dialects.stablehlo.control import WhileOp
from neuronc.passes.rewriting import replace


def capture_invariants(op: WhileOp) -> None:
    """Loop variables that the body hands on unchanged become captured values."""
    condition, body = (region.block for region in op.regions)
    end = body.last_op
    assert end is not None
    keep = [i for i, a in enumerate(body.args) if end.operands[i] is not a]
    if len(keep) == len(op.operands):
        return
    for i, start in enumerate(op.operands):
        if i not in keep:
            for block in (condition, body):
                block.args[i].replace_all_uses_with(start)
    for block in (condition, body):
        for i in reversed(range(len(op.operands))):
            if i not in keep:
                block.erase_arg(block.args[i])
    end.operands = [v for i, v in enumerate(end.operands) if i in keep]
    regions = [region.clone() for region in op.regions]
    smaller = WhileOp.create(
        operands=[op.operands[i] for i in keep],
        result_types=[op.results[i].type for i in keep],
        attributes=op.attributes,
        regions=regions,
    )
    block = op.parent
    assert block is not None
    block.insert_op_before(smaller, op)
    new = iter(smaller.results)
    replace(op, *[next(new) if i in keep else v for i, v in enumerate(op.operands)])
