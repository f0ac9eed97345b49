"""Quantised types become integers, and the operations on them arithmetic.

    %z = stablehlo.add %x, %y : tensor<4x!quant.uniform<i8:f32, 0.5:1>>
  becomes
    %a = (convert %x to i32 - 1) * 0.5;  %b = (convert %y to i32 - 1) * 0.5
    %c = stablehlo.add %a, %b : tensor<4xf32>
    %z = convert round_nearest_even(clamp(-128, %c / 0.5 + 1, 127)) to i8

as the specification says of every operation that computes (`dequantize_op_quantize`). Operations
that only move elements, `MOVES`, move the integers; the bodies of regions are rewritten where they
are, so that a reduction rounds after every step. All storage types, expressed types and both
layouts, per tensor and per axis, are the same here. MLIR's own pass knows fewer operations, takes
unsigned storage for signed, and knows no expressed type but f32.
"""

from __future__ import annotations

from collections.abc import Iterable

from jaxlib.mlir import ir

from neuronc.errors import UnsupportedError
from neuronc.frontend.locations import Locations
from neuronc.frontend.mlir import name_of, operations, replace, use_instead, users_of
from neuronc.frontend.quantised_types import QuantisedTypes, with_element
from neuronc.frontend.quantised_values import Writer

QUANTISE, DEQUANTISE = "stablehlo.uniform_quantize", "stablehlo.uniform_dequantize"
CONSTANT = "stablehlo.constant"

MOVES = frozenset(
    f"stablehlo.{name}"
    for name in (
        "after_all", "all_gather", "all_reduce", "all_to_all", "bitcast_convert", "broadcast",
        "broadcast_in_dim", "case", "collective_broadcast", "collective_permute", "composite",
        "concatenate", "constant", "cross-replica-sum", "custom_call", "dynamic_broadcast_in_dim",
        "dynamic_gather", "dynamic_pad", "dynamic_reshape", "dynamic_slice",
        "dynamic_update_slice", "gather", "get_dimension_size", "get_tuple_element", "if",
        "infeed", "map", "optimization_barrier", "outfeed", "pad", "real_dynamic_slice", "recv",
        "reduce", "reduce_scatter", "reduce_window", "reshape", "return", "reverse", "scatter",
        "select_and_scatter", "send", "set_dimension_size", "slice", "sort",
        "torch_index_select", "transpose", "tuple", "while",
    )
) | {"func.func", "func.call", "func.return", "chlo.top_k"}  # fmt: skip
"""What gives elements back as they were, and what leaves the computing to a region."""

MONOTONE = frozenset(("stablehlo.maximum", "stablehlo.minimum", "stablehlo.select"))
"""What gives the same of the integers, if all operands and results have one quantised type."""

FOLDS = frozenset(
    f"stablehlo.{name}"
    for name in ("all_reduce", "map", "reduce", "reduce_scatter", "reduce_window", "scatter",
                 "select_and_scatter", "sort")
)  # fmt: skip
"""Regions whose arguments are elements of the operands."""

MEANINGLESS = frozenset(
    f"chlo.broadcast_{name}"
    for name in ("shift_left", "shift_right_arithmetic", "shift_right_logical")
)
"""What MLIR takes, but floats have no bits to shift."""


def holds_quantised(types: Iterable[ir.Type]) -> bool:
    """Whether one of these types is quantised."""
    return any(map(QuantisedTypes().holds, types))


def legalise_quantised(module: ir.Module, name: str) -> None:
    """Rewrite in place whatever has a quantised type; `name` is the program's, for messages."""
    types = QuantisedTypes()
    ops = operations(module.operation)
    used = [op for op in ops if any(map(types.holds, (*_defined(op), *_read(op))))]
    _refuse(used, types, name)
    with module.context:
        writer = Writer(types)
        for op in used:
            _rewrite(op, writer)
        for op in operations(module.operation):
            _store(op, types)


def _defined(op: ir.Operation) -> list[ir.Type]:
    """Types of results and of the arguments of regions."""
    found = [result.type for result in op.results]
    for region in op.regions:
        found.extend(argument.type for block in region.blocks for argument in block.arguments)
    return found


def _read(op: ir.Operation) -> list[ir.Type]:
    """Types of operands."""
    return [value.type for value in op.operands]


def _refuse(ops: list[ir.Operation], types: QuantisedTypes, name: str) -> None:
    """Raise an error for the first operation without a meaning."""
    for op in ops:
        problem = _problem(op, types)
        if problem:
            hint = "dequantise the operands first: stablehlo.uniform_dequantize"
            where = Locations(name).place(op.location)
            raise UnsupportedError(where, problem, hint, code="NRC-0215")


def _problem(op: ir.Operation, types: QuantisedTypes) -> str:
    if name_of(op) in MEANINGLESS:
        return f"{name_of(op)} of a quantised type has no meaning"
    if name_of(op) not in FOLDS:
        return ""
    given = {types.element(value.type) for value in op.operands}
    arguments = op.regions[0].blocks[0].arguments
    other = {types.element(a.type) for a in arguments if types.holds(a.type)} - given
    if not other:
        return ""
    return f"{name_of(op)} whose region works on {other.pop()}, not its operands' type,"


def _rewrite(op: ir.Operation, writer: Writer) -> None:
    """Let one operation compute in floats; the values keep their quantised types for now."""
    name, types = name_of(op), writer.types
    at = ir.InsertionPoint(op)
    if name == QUANTISE:
        target = op.results[0].type
        value = op.operands[0]
        if types.holds(value.type):
            value = writer.dequantise(value, at, op.location)
        replace(op, [writer.quantise(value, target, at, op.location)])
    elif name == DEQUANTISE:
        replace(op, [writer.dequantise(op.operands[0], at, op.location)])
    elif name == CONSTANT:
        _signless(op, types)
    elif name not in MOVES and not (name in MONOTONE and _one_type(op, types)):
        _in_floats(op, writer)


def _one_type(op: ir.Operation, types: QuantisedTypes) -> bool:
    values = (*op.operands, *op.results)
    return len({types.element(v.type) for v in values if types.holds(v.type)}) == 1


def _in_floats(op: ir.Operation, writer: Writer) -> None:
    """dequantize_op_quantize."""
    before, after = ir.InsertionPoint(op), ir.InsertionPoint.after(op)
    for index, value in enumerate(list(op.operands)):
        if writer.types.holds(value.type):
            op.operands[index] = writer.dequantise(value, before, op.location)
    for result in op.results:
        target = result.type
        if writer.types.holds(target):
            result.set_type(with_element(target, writer.types.of(target).expressed))
            users = users_of(result)
            use_instead(users, result, writer.quantise(result, target, after, op.location))


def _signless(op: ir.Operation, types: QuantisedTypes) -> None:
    """A literal of unsigned storage is written in signless bits; give them their sign."""
    result = op.results[0]
    kind = types.of(result.type)
    if kind.signed:
        return
    users = users_of(result)
    cast = ir.Operation.create(
        "stablehlo.bitcast_convert",
        results=[result.type],
        operands=[result],
        loc=op.location,
        ip=ir.InsertionPoint.after(op),
    )
    result.set_type(with_element(result.type, f"i{kind.bits}"))
    use_instead(users, result, cast.results[0])


def _store(op: ir.Operation, types: QuantisedTypes) -> None:
    """Give what is still quantised its storage type."""
    for result in op.results:
        if types.holds(result.type):
            result.set_type(types.stored(result.type))
    for region in op.regions:
        for block in region.blocks:
            for argument in block.arguments:
                if types.holds(argument.type):
                    argument.set_type(types.stored(argument.type))
    if name_of(op) == "func.func":
        signature = ir.FunctionType(ir.TypeAttr(op.attributes["function_type"]).value)
        inputs, results = map(types.stored, signature.inputs), map(types.stored, signature.results)
        op.attributes["function_type"] = ir.TypeAttr.get(
            ir.FunctionType.get(list(inputs), list(results))
        )
