"""Dynamic shapes: made static where they follow from the shapes of the arguments.

The symbols of a program that `jax.export` wrote stand in the messages of its shape assertions.
"""

from __future__ import annotations

from collections.abc import Sequence

from jaxlib.mlir import ir

from neuronc.errors import UnsupportedError
from neuronc.frontend.approximate import search_exactly
from neuronc.frontend.dynamic_calls import replace_dynamic_calls
from neuronc.frontend.given import UNKNOWN, Arguments, Extent, Shapes
from neuronc.frontend.mlir import input_errors, name_of, operations, run_passes, string_attribute
from neuronc.frontend.signature import argument_names
from neuronc.frontend.symbols import names_in, shapes_in

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


SHAPE_CALLS = ("shape_assertion", "stablehlo.dynamic_", "stablehlo.shape_refinement_")
"""How targets of calls start that stand for operations on shapes."""
SHAPE_OPERANDS = "indices_of_shape_operands"
"""The attribute of a call whose last operands are the shapes of its results."""


def is_dynamic(entry: ir.Operation) -> bool:
    """Whether the body has a dynamic operation or an array of unknown extent."""
    types: set[ir.Type] = set()
    for op in operations(entry):
        if is_about_shapes(op):
            return True
        types.update([result.type for result in op.results])
    return any(map(has_unknown_shape, types))


def is_about_shapes(op: ir.Operation) -> bool:
    """Whether an operation goes away, or becomes another, once shapes are known."""
    if name_of(op) != "stablehlo.custom_call":
        return name_of(op) in DYNAMIC_OPS
    target = string_attribute(op, "call_target_name")
    return target.startswith(SHAPE_CALLS) or SHAPE_OPERANDS in op.attributes


def dynamic_shapes(entry: ir.Operation, name: str) -> UnsupportedError | None:
    """What is wrong with arguments of unknown shape: they need values."""
    return _missing(entry, _arguments(entry, name).shapes, name)


def has_unknown_shape(type_: ir.Type) -> bool:
    """Whether an array's shape is not known."""
    return isinstance(type_, ir.RankedTensorType) and not type_.has_static_shape


def refine_shapes(module: ir.Module, entry: ir.Operation, given: Shapes, name: str) -> None:
    """Give the arguments these shapes and propagate what is known.

    Raises:
        InputError: a shape is of nothing, or breaks what the program assumes.
        UnsupportedError: shapes were given, but not all.
    """
    if given:
        shapes = _arguments(entry, name).fill_in(given)
        missing = _missing(entry, shapes, name)
        if missing:
            raise missing
        types = ",".join(map(str, _types(entry, shapes)))
        run_passes(module, f"symbol-dce,stablehlo-refine-arguments{{types={types}}}")
    if not any(has_unknown_shape(value.type) for value in _values(entry)):
        with input_errors(module.context, name, "NRC-0111", SHAPES_HINT, DETAILS):
            run_passes(module, f"symbol-dce,{REFINE},{REFINE},{ASSERTIONS}")
            while _make_calls_static(module):
                run_passes(module, f"{REFINE},{REFINE}")


def _make_calls_static(module: ir.Module) -> bool:
    with module.context, ir.Location.unknown():
        return replace_dynamic_calls(module) or search_exactly(module)


def _missing(
    entry: ir.Operation, shapes: Sequence[Sequence[Extent]], name: str
) -> UnsupportedError | None:
    """Names the arguments with extents that are not numbers, and what they need."""
    values = enumerate(zip(_values(entry), shapes, strict=True))
    lacking = {i: (v, s) for i, (v, s) in values if any(isinstance(e, str) for e in s)}
    if not lacking:
        return None
    listed = [f"{_describe(v.type, s)} of argument {i}" for i, (v, s) in lacking.items()]
    extents = [e for _, s in lacking.values() for e in s if isinstance(e, str) and e != UNKNOWN]
    symbols = dict.fromkeys(symbol for extent in extents for symbol in names_in(extent))
    options = " ".join(f"--symbol {symbol}=4" for symbol in symbols)
    hint = f"give values: {options or '--shape arg0=4x128 for each'}"
    what = f"dynamic shapes need values: {', '.join(listed)}"
    return UnsupportedError(name, what, hint, code="NRC-0206")


def _arguments(entry: ir.Operation, name: str) -> Arguments:
    """Names and shapes of the arguments, symbolic where a shape assertion tells."""
    shapes = [_shape(value.type) for value in _values(entry)]
    dynamic = [shape for shape in shapes if UNKNOWN in shape]
    asserting = operations(entry) if dynamic else ()
    messages = (string_attribute(op, "error_message") for op in asserting)
    told = next((told for m in messages if (told := shapes_in(m))), _NO_SHAPES)
    for shape, symbolic in zip(dynamic, told, strict=False):
        shape[:] = [s if own == UNKNOWN else own for own, s in zip(shape, symbolic, strict=True)]
    return Arguments(argument_names(entry), shapes, name)


def _shape(type_: ir.Type) -> list[Extent]:
    if not isinstance(type_, ir.RankedTensorType):
        return []
    extents = enumerate(type_.shape)
    return [UNKNOWN if type_.is_dynamic_dim(d) else extent for d, extent in extents]


def _types(entry: ir.Operation, shapes: Sequence[Sequence[Extent]]) -> list[ir.Type]:
    """The types of the arguments with other shapes."""
    pairs = zip(_values(entry), shapes, strict=True)
    return [_with_shape(v.type, [e for e in s if isinstance(e, int)]) for v, s in pairs]


def _with_shape(type_: ir.Type, shape: list[int]) -> ir.Type:
    if not isinstance(type_, ir.RankedTensorType):
        return type_
    with type_.context, ir.Location.unknown():
        return ir.RankedTensorType.get(shape, type_.element_type)


def _describe(type_: ir.Type, shape: Sequence[Extent]) -> str:
    """As jax prints it, `f32[b, 4]`."""
    element = ir.RankedTensorType(type_).element_type
    return f"{element}[{', '.join(map(str, shape))}]"


def _values(entry: ir.Operation) -> Sequence[ir.Value]:
    return entry.regions[0].blocks[0].arguments
