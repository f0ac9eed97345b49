"""Dynamic shapes: made static where they follow from the shapes of the arguments.

`jax.export` writes the polymorphic shapes, in the order of the arguments, into the message of a
shape assertion: `args[0].shape = (b, 4),args[1].shape = (b,). Obtained ..`; that is where the names
of symbols come from.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from jaxlib.mlir import ir

from neuronc.errors import InputError
from neuronc.frontend.locations import given_name
from neuronc.frontend.mlir import name_of, operations, run_passes, string_attribute

Shapes = Mapping[int | str, int | Sequence[int]]
"""Shapes of arguments by position or name, and extents of symbols by name."""

REFINE = "stablehlo-refine-shapes,func.func(stablehlo-canonicalize-dynamism,canonicalize)"
"""Propagate shapes, then replace dynamic operations; run twice, as one feeds the other."""

ASSERTIONS = "func.func(stablehlo-check-shape-assertions)"

SPECIFICATION = re.compile(r"\.shape = \((.*?),?\)(?=,|\. Obtained)")

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


def dynamic_arguments(entry: ir.Operation) -> list[str]:
    """One line per argument of unknown shape, with the symbols of its dimensions."""
    symbols = _symbols(entry)
    return [
        f"dynamic shape {_describe(argument.type, index, symbols)} of argument {index}"
        for index, argument in enumerate(_arguments(entry))
        if _is_unknown(argument.type)
    ]


def refine_shapes(module: ir.Module, entry: ir.Operation, shapes: Shapes, name: str) -> None:
    """Give the arguments these shapes and propagate what is known."""
    if shapes:
        types = ",".join(map(str, _argument_types(entry, shapes, name)))
        run_passes(module, f"symbol-dce,stablehlo-refine-arguments{{types={types}}}")
    if not dynamic_arguments(entry):
        run_passes(module, f"symbol-dce,{REFINE},{REFINE},{ASSERTIONS}")


def _argument_types(entry: ir.Operation, shapes: Shapes, name: str) -> list[ir.Type]:
    """The type of every argument, with what was given filled in."""
    types = [argument.type for argument in _arguments(entry)]
    names = {given_name(argument.location): k for k, argument in enumerate(_arguments(entry))}
    symbols = _symbols(entry)
    for key, given in shapes.items():
        places = [place for place, symbol in symbols.items() if symbol == key]
        index = names.get(key, -1) if isinstance(key, str) else key
        if isinstance(given, int) and places:
            types = _with_symbol(types, places, given)
        elif not isinstance(given, int) and 0 <= index < len(types):
            types[index] = _with_shape(types[index], given)
        else:
            raise InputError(name, f"{key!r} is no argument and no symbol of its shapes")
    return types


def _with_symbol(
    types: Sequence[ir.Type], places: Sequence[tuple[int, int]], extent: int
) -> list[ir.Type]:
    filled = list(types)
    for index, dimension in places:
        shape = list(ir.RankedTensorType(filled[index]).shape)
        shape[dimension] = extent
        filled[index] = _with_shape(filled[index], shape)
    return filled


def _with_shape(type_: ir.Type, shape: Sequence[int]) -> ir.Type:
    with type_.context, ir.Location.unknown():
        return ir.RankedTensorType.get(list(shape), ir.RankedTensorType(type_).element_type)


def _symbols(entry: ir.Operation) -> dict[tuple[int, int], str]:
    """The symbol of each (argument, dimension) that has one."""
    messages = [string_attribute(op, "error_message") for op in operations(entry)]
    message = next((message for message in messages if SPECIFICATION.search(message)), "")
    shapes = [match[1] for match in SPECIFICATION.finditer(message)]
    dynamic = [k for k, argument in enumerate(_arguments(entry)) if _is_unknown(argument.type)]
    return {
        (index, dimension): symbol
        for index, shape in zip(dynamic, shapes, strict=False)
        for dimension, symbol in enumerate(shape.split(", "))
    }


def _describe(type_: ir.Type, index: int, symbols: dict[tuple[int, int], str]) -> str:
    """As jax prints it, `f32[b, 4]`, with `?` for an extent without a symbol."""
    tensor = ir.RankedTensorType(type_)
    extents = [
        symbols.get((index, k), "?") if tensor.is_dynamic_dim(k) else str(extent)
        for k, extent in enumerate(tensor.shape)
    ]
    return f"{tensor.element_type}[{', '.join(extents)}]"


def _arguments(entry: ir.Operation) -> Sequence[ir.Value]:
    return entry.regions[0].blocks[0].arguments


def _is_unknown(type_: ir.Type) -> bool:
    return isinstance(type_, ir.RankedTensorType) and not type_.has_static_shape
