"""Which StableHLO ops the engines compute elementwise, and how they are spelled in tiles."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import StringAttr
from xdsl.ir import Operation

from neuronc.dialects.stablehlo.reduction import ReduceOp
from neuronc.dialects.types import element_type
from neuronc.numerics import FUNCTIONS, REDUCTIONS
from neuronc.passes.builder import Builder
from neuronc.passes.operand import Operand

_SPELLED_APART = {"convert", "compare", "select", "clamp"}
_DIALECTS = ("stablehlo", "chlo", "activation")
_NOT_ON_ENGINES = {"complex", "real", "imag", "conj", "reduce_precision"}


def function_name(op: Operation) -> str:
    """The op's name without its dialect."""
    return op.name.split(".", 1)[1]


def is_elementwise(op: Operation) -> bool:
    """Whether the op is elementwise and its element types have a datapath."""
    name = function_name(op)
    known = name in _SPELLED_APART or (name in FUNCTIONS and name not in _NOT_ON_ENGINES)
    if not known or op.name.split(".", 1)[0] not in _DIALECTS:
        return False
    if name == "compare" and _attribute(op, "compare_type") == "TOTALORDER":
        return False
    values = (*op.operands, *op.results)
    return all(element_type(v.type).engine for v in values)


def reduction_of(op: Operation) -> str:
    """The single function a reduce op applies, or '' where its region is anything else."""
    if not isinstance(op, ReduceOp) or len(op.results) != 1:
        return ""
    body = list(op.regions[0].block.ops)
    arguments = set(op.regions[0].block.args)
    if len(body) != 2 or set(body[0].operands) != arguments:
        return ""
    if body[1].operands[0] is not body[0].results[0]:
        return ""
    name = function_name(body[0])
    return name if name in REDUCTIONS else ""


def is_reduction(op: Operation) -> bool:
    """Whether the vector engine reduces this way."""
    return bool(reduction_of(op)) and all(element_type(v.type).engine for v in op.operands)


def map_function(
    builder: Builder, op: Operation, dst: Operand, sources: Sequence[Operand | float], lanes: int
) -> None:
    """Emit one elementwise op into `dst`; splats arrive as numbers."""
    name = function_name(op)
    if name == "clamp":
        low, value, high = sources
        _binary(builder, op, "maximum", dst, value, low, lanes)
        _binary(builder, op, "minimum", dst, dst, high, lanes)
    elif name == "convert":
        builder.cast(dst, _block(builder, op, 0, sources[0], dst, lanes))
    elif name == "compare":
        direction = _attribute(op, "comparison_direction").lower()
        _binary(builder, op, direction, dst, sources[0], sources[1], lanes)
    elif len(sources) == 2:
        _binary(builder, op, name, dst, sources[0], sources[1], lanes)
    else:
        blocks = [_block(builder, op, i, s, dst, lanes) for i, s in enumerate(sources)]
        builder.map(name, dst, *blocks)


def _binary(
    builder: Builder,
    op: Operation,
    function: str,
    dst: Operand,
    left: Operand | float,
    right: Operand | float,
    lanes: int,
) -> None:
    if not isinstance(left, tuple) and not isinstance(right, tuple):
        left = _block(builder, op, 0, left, dst, lanes)
    if not isinstance(right, tuple):
        assert isinstance(left, tuple)
        builder.map(function, dst, left, immediate=right, immediate_at=1)
    elif not isinstance(left, tuple):
        builder.map(function, dst, right, immediate=left, immediate_at=0)
    else:
        builder.map(function, dst, left, right)


def _block(
    builder: Builder, op: Operation, index: int, source: Operand | float, dst: Operand, lanes: int
) -> Operand:
    """A splat as a one-column block, walked like `dst`."""
    if isinstance(source, tuple):
        return source
    ref = builder.alloc(lanes, 1, element_type(op.operands[index].type))
    builder.fill(ref.all(), source)
    return ref[tuple((0, count) for _, count in dst[1].pairs)]


def _attribute(op: Operation, name: str) -> str:
    attribute = op.attributes.get(name)
    return attribute.data if isinstance(attribute, StringAttr) else ""
