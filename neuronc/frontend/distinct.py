"""The distinct operations of a program, each by itself.

    %1 = stablehlo.tanh %0 : tensor<4xf32>
    %2 = stablehlo.tanh %1 : tensor<4xf32>
  is one operation at two places, and alone it is
    func.func @main(%a: tensor<4xf32>) { %b = stablehlo.tanh %a;  return %b }

What a lowering refuses in a large program it refuses in these small ones, and a network has few
distinct operations, however deep it is. Small constants stay with the operations that use them,
since lowerings look at them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

from jaxlib.mlir import ir

from neuronc.frontend.mlir import name_of, operations

CONSTANT = "stablehlo.constant"
CONTROL = frozenset(f"stablehlo.{name}" for name in ("case", "if", "while"))
SKIPPED = CONTROL | {CONSTANT, "func.return", "stablehlo.return"}
ELEMENTS_MAX = 16
"""Constants up to this size, and splats, stay with an operation."""

Key = tuple[object, ...]
Constants = Mapping[ir.Value, ir.Operation]


@dataclass(frozen=True)
class Distinct:
    """One operation, and every place where the program has it."""

    op: ir.Operation
    constants: Constants
    """The small constants of the whole program."""
    places: list[ir.Location] = field(default_factory=list[ir.Location])


def distinct_operations(entry: ir.Operation) -> list[Distinct]:
    """Each distinct operation on arrays, but constants."""
    ops = list(_applied(entry))
    small = {op.results[0]: op for op in ops if name_of(op) == CONSTANT and _is_small(op)}
    found: dict[Key, Distinct] = {}
    for op in ops:
        if name_of(op) not in SKIPPED:
            one = found.setdefault(_key(op, small), Distinct(op, small))
            one.places.append(op.location)
    return [one for one in found.values() if _is_on_arrays(one.op)]


def alone(parts: Sequence[Distinct]) -> ir.Module:
    """A module whose one function applies each operation to arguments of its own."""
    types = [v.type for one in parts for v in _outside(one.op) if v not in one.constants]
    results = [result.type for one in parts for result in one.op.results]
    with parts[0].op.context, ir.Location.unknown() as nowhere:
        module = ir.Module.create()
        function = ir.Operation.create(
            "func.func",
            attributes={
                "sym_name": ir.StringAttr.get("main"),
                "sym_visibility": ir.StringAttr.get("public"),
                "function_type": ir.TypeAttr.get(ir.FunctionType.get(types, results)),
            },
            regions=1,
            ip=ir.InsertionPoint(module.body),
        )
        block = function.regions[0].blocks.append(*types, arg_locs=[nowhere] * len(types))
        arguments, end = iter(block.arguments), ir.InsertionPoint(block)
        made = [_copy(one, arguments, end) for one in parts]
        outputs = [result for op in made for result in op.results]
        ir.Operation.create("func.return", operands=outputs, ip=end)
    return module


def _applied(root: ir.Operation) -> Iterator[ir.Operation]:
    """Operations below `root`, but for regions that are applied to elements."""
    for region in root.regions:
        for block in region.blocks:
            for op in block.operations:
                yield op.operation
                if name_of(op.operation) in CONTROL:
                    yield from _applied(op.operation)


def _is_small(constant: ir.Operation) -> bool:
    tensor = ir.RankedTensorType(constant.results[0].type)
    # The bindings fail on the payload of complex constants.
    if str(tensor.element_type).startswith("complex"):
        return False
    payload = constant.attributes["value"]
    splat = isinstance(payload, ir.DenseElementsAttr) and payload.is_splat
    return splat or prod(tensor.shape) <= ELEMENTS_MAX


def _is_on_arrays(op: ir.Operation) -> bool:
    return all(isinstance(v.type, ir.RankedTensorType) for v in (*op.operands, *op.results))


def _key(op: ir.Operation, constants: Constants) -> Key:
    """What a lowering sees of an operation: equal keys, equal kernels."""
    if not len(op.regions):
        return _signature(op, constants, {})
    inner = operations(op)
    numbers = {value: number for number, value in enumerate(_made(op, inner))}
    return tuple(_signature(o, constants, numbers) for o in (op, *inner))


def _signature(op: ir.Operation, constants: Constants, numbers: dict[ir.Value, int]) -> Key:
    """Values made inside by number, small constants by value, others by type."""
    operands = tuple(
        numbers[v] if v in numbers else constants[v].attributes["value"] if v in constants else None
        for v in op.operands
    )
    types = (*(v.type for v in op.operands), *(v.type for v in op.results))
    return op.name, tuple(op.attributes.items()), operands, types


def _made(op: ir.Operation, inner: Sequence[ir.Operation]) -> list[ir.Value]:
    """The values that the regions of an operation make."""
    blocks = (block for o in (op, *inner) for region in o.regions for block in region.blocks)
    arguments = [value for block in blocks for value in block.arguments]
    return arguments + [result for o in inner for result in o.results]


def _outside(op: ir.Operation) -> list[ir.Value]:
    """The distinct values that an operation and its regions use and do not make."""
    inner = operations(op) if len(op.regions) else []
    own = set(_made(op, inner))
    used = (value for o in (op, *inner) for value in o.operands)
    return list(dict.fromkeys(value for value in used if value not in own))


def _copy(one: Distinct, arguments: Iterator[ir.Value], end: ir.InsertionPoint) -> ir.Operation:
    """The operation at the end, with its constants, on the next arguments."""
    new: dict[ir.Value, ir.Value] = {}
    for value in _outside(one.op):
        constant = one.constants.get(value)
        new[value] = constant.clone(end).results[0] if constant else next(arguments)
    copy = one.op.clone(end).operation
    for user in (copy, *operations(copy)):
        for index, operand in enumerate(user.operands):
            if operand in new:
                user.operands[index] = new[operand]
    return copy
