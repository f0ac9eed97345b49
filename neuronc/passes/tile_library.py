"""Lower what the chip has no datapath for to one gpsimd library instruction on HBM buffers.

    %y = stablehlo.sort %x ...
  becomes
    tile.library y, x {function = "sort", params = "{...}"}

The parameters travel as JSON; regions in them are expression programs (see `regions`).
"""

from __future__ import annotations

import json
from math import prod

from xdsl.ir import Operation

from neuronc.dialects.stablehlo.params import params
from neuronc.dialects.tile import LibraryOp
from neuronc.dialects.types import shape_of
from neuronc.passes.body import Body, location
from neuronc.passes.builder import Builder, Operand, hbm
from neuronc.passes.functions import function_name
from neuronc.passes.regions import encode_region


def lower_library(body: Body, builder: Builder) -> None:
    """Emit one library op: results first, then operands, all whole buffers."""
    (op,) = (o for o in body.block.ops if o.name != "program.yield")
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


def library_params(op: Operation) -> dict[str, object]:
    """The op's parameters, with its regions as expression programs."""
    out: dict[str, object] = dict(params(op))
    if op.regions:
        out["regions"] = [encode_region(region) for region in op.regions]
    return out


def _whole(value: object, buffer: object) -> Operand:
    from xdsl.ir import SSAValue

    assert isinstance(value, SSAValue)
    assert isinstance(buffer, SSAValue)
    return hbm(buffer, 0, ((1, max(prod(shape_of(value)), 1)),))


def _work(op: Operation) -> int:
    """Arithmetic operations: two a multiply-add of a contraction, else one an element."""
    if op.name.endswith("dot_general"):
        from neuronc.passes.attributes import ints

        depth = prod(shape_of(op.operands[0])[d] for d in ints(op, "lhs_contracting_dimensions"))
        return 2 * depth * prod(shape_of(op.results[0]))
    return max(prod(shape_of(v)) for v in (*op.operands, *op.results))
