"""Lower what the chip has no datapath for to one gpsimd library instruction on HBM buffers.

    %y = stablehlo.sort %x ...
  becomes
    tile.library y, x {function = "sort", params = "{...}"}

The parameters travel as JSON; regions in them are expression programs (see `regions`).
"""

from __future__ import annotations

import json
from math import prod

from xdsl.ir import Operation, SSAValue

from neuronc.dialects.tile import LibraryOp
from neuronc.dialects.types import shape_of
from neuronc.passes.attributes import ints
from neuronc.passes.body import Body, location
from neuronc.passes.builder import Builder
from neuronc.passes.collectives import refuse_members
from neuronc.passes.functions import function_name
from neuronc.passes.operand import Operand, hbm
from neuronc.passes.regions import library_params


def lower_library(body: Body, builder: Builder) -> None:
    """Emit one library op: results first, then operands, all whole buffers."""
    (op,) = (o for o in body.block.ops if o.name != "program.yield")
    refuse_members(op)
    builder.loc, builder.source = location(op), op.name
    outputs = [_whole(v, out) for v, out in zip(op.results, body.outputs, strict=True)]
    inputs = [_whole(v, body.buffers[v]) for v in op.operands]
    builder.append(
        LibraryOp,
        [*outputs, *inputs],
        function=function_name(op),
        params=json.dumps(library_params(op), sort_keys=True),
        outputs=len(outputs),
        work=_work(op),
    )


def _whole(value: SSAValue, buffer: SSAValue) -> Operand:
    return hbm(buffer, 0, ((1, max(prod(shape_of(value)), 1)),))


def _work(op: Operation) -> int:
    """Arithmetic operations: two a multiply-add of a contraction, else one an element."""
    if op.name.endswith("dot_general"):
        depth = prod(shape_of(op.operands[0])[d] for d in ints(op, "lhs_contracting_dimensions"))
        return 2 * depth * prod(shape_of(op.results[0]))
    return max(prod(shape_of(v)) for v in (*op.operands, *op.results))
