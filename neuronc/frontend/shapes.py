"""Dynamic shapes: made static where they follow from the shapes of the arguments.

Shapes are given to arguments, or extents to the symbols that `jax.export` wrote; an extent like
`2*b` follows from its symbols.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jaxlib.mlir import ir

from neuronc.errors import InputError
from neuronc.frontend.mlir import input_errors, name_of, operations, run_passes, string_attribute
from neuronc.frontend.signature import argument_names
from neuronc.frontend.symbols import evaluate, names_in, shapes_in

Shapes = Mapping[int | str, int | Sequence[int]]
"""Shapes of arguments by position or name, and extents of symbols by name."""

REFINE = "stablehlo-refine-shapes,func.func(stablehlo-canonicalize-dynamism,canonicalize)"
"""Propagate shapes, then replace dynamic operations; run twice, as one feeds the other."""

ASSERTIONS = "func.func(stablehlo-check-shape-assertions)"

SHAPES_HINT = "give shapes that the program was exported for"
DETAILS = ". Using the following polymorphic shapes specifications"
"""From here on, jax's message repeats what the user wrote."""

_NO_SHAPES: list[list[str]] = []

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
        name_of(op) in DYNAMIC_OPS or any(has_unknown_shape(result.type) for result in op.results)
        for op in operations(entry)
    )


def dynamic_arguments(entry: ir.Operation) -> list[str]:
    """`f32[b, 4] of argument 0` for each argument of unknown shape."""
    extents = _extents(entry)
    return [
        f"{_describe(argument.type, index, extents)} of argument {index}"
        for index, argument in enumerate(_arguments(entry))
        if has_unknown_shape(argument.type)
    ]


def symbols_of(entry: ir.Operation) -> list[str]:
    """The symbols in the shapes of the arguments."""
    return list(dict.fromkeys(s for extent in _extents(entry).values() for s in names_in(extent)))


def has_unknown_shape(type_: ir.Type) -> bool:
    """Whether an array's shape is not known."""
    return isinstance(type_, ir.RankedTensorType) and not type_.has_static_shape


def refine_shapes(module: ir.Module, entry: ir.Operation, shapes: Shapes, name: str) -> None:
    """Give the arguments these shapes and propagate what is known.

    Raises:
        InputError: a shape is of nothing, or breaks what the program assumes.
    """
    if shapes:
        types = ",".join(map(str, _argument_types(entry, shapes, name)))
        run_passes(module, f"symbol-dce,stablehlo-refine-arguments{{types={types}}}")
    if not dynamic_arguments(entry):
        with input_errors(module.context, name, "NRC-0111", SHAPES_HINT, DETAILS):
            run_passes(module, f"symbol-dce,{REFINE},{REFINE},{ASSERTIONS}")


def _argument_types(entry: ir.Operation, shapes: Shapes, name: str) -> list[ir.Type]:
    """The type of every argument, with what was given filled in."""
    types = [argument.type for argument in _arguments(entry)]
    names = {f"arg{index}": index for index in range(len(types))}
    names |= {given: index for index, given in enumerate(argument_names(entry))}
    symbols = symbols_of(entry)
    values: dict[str, int] = {}
    for key, given in shapes.items():
        index = names.get(key, -1) if isinstance(key, str) else key
        if isinstance(given, int) and key in symbols:
            values[str(key)] = _positive(given, f"symbol {key}", name)
        elif not isinstance(given, int) and 0 <= index < len(types):
            types[index] = _with_shape(types[index], given, f"argument {key}", name)
        else:
            listed = ", ".join(argument_names(entry)), ", ".join(symbols) or "none"
            hint = f"arguments: {listed[0]}; symbols: {listed[1]}"
            what = f"{key!r} is no {'symbol' if isinstance(given, int) else 'argument'}"
            raise InputError(name, what, hint, code="NRC-0109")
    for (index, dimension), extent in _extents(entry).items():
        value = evaluate(extent, values)
        if value is not None:
            types[index] = _with_extent(types[index], dimension, value)
    return types


def _positive(extent: int, owner: str, name: str) -> int:
    if extent < 0:
        hint = "extents are 0 or more"
        raise InputError(name, f"{extent} is no extent for {owner}", hint, code="NRC-0110")
    return extent


def _with_extent(type_: ir.Type, dimension: int, extent: int) -> ir.Type:
    """Fill one dimension that has no extent yet."""
    tensor = ir.RankedTensorType(type_)
    if not tensor.is_dynamic_dim(dimension):
        return type_
    shape = list(tensor.shape)
    shape[dimension] = extent
    return _tensor(type_, shape)


def _with_shape(type_: ir.Type, shape: Sequence[int], owner: str, name: str) -> ir.Type:
    """The type with a shape that agrees with what is known of its own."""
    tensor = ir.RankedTensorType(type_)
    own = list(tensor.shape)
    fits = len(own) == len(shape) and all(
        given >= 0 and (tensor.is_dynamic_dim(d) or own[d] == given)
        for d, given in enumerate(shape)
    )
    if not fits:
        what = f"shape {'x'.join(map(str, shape))} does not fit {owner}, {_describe(type_, 0, {})}"
        hint = "give one extent for each dimension, and the known ones as they are"
        raise InputError(name, what, hint, code="NRC-0110")
    return _tensor(type_, shape)


def _tensor(like: ir.Type, shape: Sequence[int]) -> ir.Type:
    with like.context, ir.Location.unknown():
        return ir.RankedTensorType.get(list(shape), ir.RankedTensorType(like).element_type)


def _extents(entry: ir.Operation) -> dict[tuple[int, int], str]:
    """The expression for each (argument, dimension) that a shape assertion tells."""
    dynamic = [k for k, a in enumerate(_arguments(entry)) if has_unknown_shape(a.type)]
    asserting = operations(entry) if dynamic else ()
    messages = (string_attribute(op, "error_message") for op in asserting)
    shapes = next((shapes for m in messages if (shapes := shapes_in(m))), _NO_SHAPES)
    return {
        (index, dimension): extent
        for index, shape in zip(dynamic, shapes, strict=False)
        for dimension, extent in enumerate(shape)
    }


def _describe(type_: ir.Type, index: int, extents: dict[tuple[int, int], str]) -> str:
    """As jax prints it, `f32[b, 4]`, with `?` for an extent without a symbol."""
    tensor = ir.RankedTensorType(type_)
    shape = [
        extents.get((index, k), "?") if tensor.is_dynamic_dim(k) else str(extent)
        for k, extent in enumerate(tensor.shape)
    ]
    return f"{tensor.element_type}[{', '.join(shape)}]"


def _arguments(entry: ir.Operation) -> Sequence[ir.Value]:
    return entry.regions[0].blocks[0].arguments
