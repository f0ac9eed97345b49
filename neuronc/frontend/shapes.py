"""Dynamic shapes: made static where they follow from the shapes of the arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jaxlib.mlir import ir

from neuronc.errors import InputError
from neuronc.frontend.locations import given_name
from neuronc.frontend.mlir import name_of, operations, run_passes

REFINE = "stablehlo-refine-shapes,func.func(stablehlo-canonicalize-dynamism,canonicalize)"
"""Propagate shapes, then replace dynamic operations; twice, as one feeds the other."""

ASSERTIONS = "func.func(stablehlo-check-shape-assertions)"

DYNAMIC_OPS = frozenset(
    f"stablehlo.{name}"
    for name in (
        "dynamic_broadcast_in_dim",
        "dynamic_conv",
        "dynamic_gather",
        "dynamic_iota",
        "dynamic_pad",
        "dynamic_reshape",
        "get_dimension_size",
        "real_dynamic_slice",
        "set_dimension_size",
    )
)


def is_dynamic(entry: ir.Operation) -> bool:
    """Whether the body has a dynamic operation or an array of unknown extent."""
    return any(
        name_of(op) in DYNAMIC_OPS or any(_is_unknown(result.type) for result in op.results)
        for op in operations(entry)
    )


def refine_shapes(
    module: ir.Module,
    entry: ir.Operation,
    shapes: Mapping[int | str, Sequence[int]],
    name: str,
) -> ir.Operation:
    """Give the arguments these shapes and propagate; returns the entry as it is now."""
    if shapes:
        types = ",".join(map(str, _argument_types(entry, shapes, name)))
        run_passes(module, f"stablehlo-refine-arguments{{types={types}}}")
    elif any(_is_unknown(a.type) for a in entry.regions[0].blocks[0].arguments):
        return entry
    run_passes(module, f"symbol-dce,{REFINE},{REFINE},{ASSERTIONS}")
    return entry


def _argument_types(
    entry: ir.Operation, shapes: Mapping[int | str, Sequence[int]], name: str
) -> list[ir.Type]:
    """The type of every argument, with the shapes that were given."""
    arguments = list(entry.regions[0].blocks[0].arguments)
    known = {given_name(a.location): k for k, a in enumerate(arguments)}
    wanted = {known.get(key, -1) if isinstance(key, str) else key: s for key, s in shapes.items()}
    if not all(0 <= index < len(arguments) for index in wanted):
        raise InputError(name, f"shapes for {list(shapes)}, but the arguments are {list(known)}")
    return [_with_shape(a.type, wanted.get(k)) for k, a in enumerate(arguments)]


def _with_shape(type_: ir.Type, shape: Sequence[int] | None) -> ir.Type:
    if shape is None or not isinstance(type_, ir.RankedTensorType):
        return type_
    with type_.context, ir.Location.unknown():
        return ir.RankedTensorType.get(list(shape), type_.element_type)


def _is_unknown(type_: ir.Type) -> bool:
    return isinstance(type_, ir.RankedTensorType) and not type_.has_static_shape
