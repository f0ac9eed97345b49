"""Slices of known extent that start where the program computes.

    %y = real_dynamic_slice %x, %start, %limit, [1, 2] : tensor<4x9xf32> -> tensor<1x3xf32>
  becomes
    %w = dynamic_slice %x, %start[0], %start[1], sizes = [1, 5];  %y = slice %w [0:1, 0:5:2]

The limit says nothing that the result's shape does not. The expansion of chlo.scan writes its
steps so. It applies where the result is static and the strides are constants; a slice between
constants is made static by MLIR before.
"""

from __future__ import annotations

from collections.abc import Sequence

from jaxlib.mlir import ir

from neuronc.frontend.mlir import integers, name_of, operations, replace

SLICE = "stablehlo.real_dynamic_slice"


def slice_by_start(entry: ir.Operation) -> None:
    """Replace the slices whose extents are known."""
    for op in operations(entry):
        if name_of(op) != SLICE:
            continue
        type_, strides = ir.RankedTensorType(op.results[0].type), integers(op.operands[3])
        if type_.has_static_shape and strides:
            replace(op, [_slice(op, type_, strides)])


def _slice(op: ir.Operation, type_: ir.RankedTensorType, strides: list[int]) -> ir.Value:
    source, starts = op.operands[0], op.operands[1]
    shape = type_.shape
    sizes = [(n - 1) * k + 1 if n else 0 for n, k in zip(shape, strides, strict=True)]
    scalars = [_element(op, starts, axis) for axis in range(len(shape))]
    window_type = ir.RankedTensorType.get(sizes, type_.element_type, loc=op.location)
    window = _make(
        op, "dynamic_slice", window_type, [source, *scalars], {"slice_sizes": _list(sizes)}
    )
    if all(k == 1 for k in strides):
        return window
    return _part(op, window, type_, [0] * len(shape), sizes, strides)


def _element(op: ir.Operation, vector: ir.Value, at: int) -> ir.Value:
    """One number of a vector, as a scalar."""
    element = ir.RankedTensorType(vector.type).element_type
    one = ir.RankedTensorType.get([1], element, loc=op.location)
    scalar = ir.RankedTensorType.get([], element, loc=op.location)
    return _make(op, "reshape", scalar, [_part(op, vector, one, [at], [at + 1], [1])], {})


def _part(
    op: ir.Operation,
    value: ir.Value,
    type_: ir.Type,
    starts: Sequence[int],
    limits: Sequence[int],
    strides: Sequence[int],
) -> ir.Value:
    lists = {"start_indices": starts, "limit_indices": limits, "strides": strides}
    return _make(op, "slice", type_, [value], {name: _list(n) for name, n in lists.items()})


def _make(
    op: ir.Operation,
    name: str,
    type_: ir.Type,
    operands: Sequence[ir.Value],
    attributes: dict[str, ir.Attribute],
) -> ir.Value:
    """A new operation in front of `op`, with its location."""
    made = ir.Operation.create(
        f"stablehlo.{name}",
        results=[type_],
        operands=operands,
        attributes=attributes,
        loc=op.location,
        ip=ir.InsertionPoint(op),
    )
    return made.results[0]


def _list(numbers: Sequence[int]) -> ir.Attribute:
    return ir.DenseI64ArrayAttr.get(list(numbers))
