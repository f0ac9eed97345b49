"""Calls that jax writes for operations without a dynamic form, once their sizes are constants.

    %n = constant 3;  %y:2 = custom_call @stablehlo.dynamic_top_k(%x, %n)
  becomes
    %y:2 = chlo.top_k(%x), k = 3

`@stablehlo.dynamic_reduce_window` and `@stablehlo.dynamic_rng_bit_generator` likewise. A call whose
sizes are not known stays; shapes further on follow from those that were replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxlib.mlir import ir

from neuronc.frontend.called import called_function, fill_region
from neuronc.frontend.mlir import integers, operations, replace, string_attribute

Sizes = Sequence[list[int]]
Attributes = Mapping[str, ir.Attribute]


def replace_dynamic_calls(module: ir.Module) -> bool:
    """Replace the calls whose sizes are constants; whether there were any."""
    found = [op for op in operations(module.operation) if _target(op) in _RULES]
    return any([_replaced(module, op) for op in found])


def _target(op: ir.Operation) -> str:
    return string_attribute(op, "call_target_name")


def _replaced(module: ir.Module, op: ir.Operation) -> bool:
    count, rule = _RULES[_target(op)]
    operands = list(op.operands)
    inputs, sizes = operands[:-count], [integers(value) for value in operands[-count:]]
    known = [size for size in sizes if size is not None]
    static = [ir.RankedTensorType(value.type).has_static_shape for value in inputs]
    if len(known) < count or not all(static):
        return False
    rule(module, op, inputs, known)
    return True


def _make(
    op: ir.Operation,
    name: str,
    inputs: list[ir.Value],
    shapes: Sequence[Sequence[int]],
    attributes: Attributes,
    function: ir.Operation | None = None,
) -> None:
    """Put an operation with results of these shapes in the place of a call."""
    types = [
        ir.RankedTensorType.get(shape, ir.RankedTensorType(result.type).element_type)
        for shape, result in zip(shapes, op.results, strict=True)
    ]
    made = ir.Operation.create(
        name,
        results=types,
        operands=inputs,
        attributes=dict(attributes),
        regions=0 if function is None else 1,
        loc=op.location,
        ip=ir.InsertionPoint(op),
    )
    if function is not None:
        fill_region(made, function)
    pairs = zip(made.results, op.results, strict=True)
    replace(op, [_as(op, value, old.type) for value, old in pairs])


def _as(op: ir.Operation, value: ir.Value, type_: ir.Type) -> ir.Value:
    """The value at the type that its users expect; refinement removes the conversion again."""
    return ir.Operation.create(
        "stablehlo.convert",
        results=[type_],
        operands=[value],
        loc=op.location,
        ip=ir.InsertionPoint(op),
    ).results[0]


def _shape(value: ir.Value) -> list[int]:
    return list(ir.RankedTensorType(value.type).shape)


def _reduce_window(
    module: ir.Module, op: ir.Operation, inputs: list[ir.Value], sizes: Sizes
) -> None:
    window, strides, base, dilations, padding = sizes
    pairs = np.array(padding, np.int64).reshape(-1, 2)
    shape = [
        _windows((n - 1) * b + 1 + int(low) + int(high) if n else int(low) + int(high), w, d, s)
        for n, w, s, b, d, (low, high) in zip(
            _shape(inputs[0]), window, strides, base, dilations, pairs, strict=True
        )
    ]
    attributes: Attributes = {
        "window_dimensions": ir.DenseI64ArrayAttr.get(window),
        "window_strides": ir.DenseI64ArrayAttr.get(strides),
        "base_dilations": ir.DenseI64ArrayAttr.get(base),
        "window_dilations": ir.DenseI64ArrayAttr.get(dilations),
        "padding": ir.DenseElementsAttr.get(pairs),
    }
    function = called_function(module, op)
    _make(op, "stablehlo.reduce_window", inputs, [shape] * len(op.results), attributes, function)


def _windows(extent: int, window: int, dilation: int, stride: int) -> int:
    """How many windows fit into a padded extent."""
    reach = (window - 1) * dilation + 1
    return (extent - reach) // stride + 1 if extent >= reach else 0


def _top_k(module: ir.Module, op: ir.Operation, inputs: list[ir.Value], sizes: Sizes) -> None:
    ((k,),) = sizes
    number = ir.IntegerAttr.get(ir.IntegerType.get_signless(64), k)
    shape = [*_shape(inputs[0])[:-1], k]
    _make(op, "chlo.top_k", inputs, [shape, shape], {"k": number})


def _random_bits(module: ir.Module, op: ir.Operation, inputs: list[ir.Value], sizes: Sizes) -> None:
    attributes = {"rng_algorithm": op.attributes["rng_algorithm"]}
    shapes = [_shape(inputs[0]), sizes[0]]
    _make(op, "stablehlo.rng_bit_generator", inputs, shapes, attributes)


Rule = Callable[[ir.Module, ir.Operation, list[ir.Value], Sizes], None]
_RULES: Mapping[str, tuple[int, Rule]] = {
    "stablehlo.dynamic_reduce_window": (5, _reduce_window),
    "stablehlo.dynamic_top_k": (1, _top_k),
    "stablehlo.dynamic_rng_bit_generator": (1, _random_bits),
}
"""Of each call, how many operands are sizes, and what it becomes."""
