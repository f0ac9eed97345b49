"""Reductions in the forms that the vector engine has: window reductions, argmax, long ones."""

from __future__ import annotations

from math import prod

import numpy as np
from xdsl.ir import Block, Operation, Region, SSAValue

from neuronc.dialects.stablehlo.dialect import OPS
from neuronc.dialects.stablehlo.movement import IotaOp, PadOp
from neuronc.dialects.stablehlo.params import Param, params
from neuronc.dialects.stablehlo.reduction import ReduceOp
from neuronc.dialects.stablehlo.terminator import ReturnOp
from neuronc.dialects.types import element_type, shape_of, tensor
from neuronc.numerics import REDUCTIONS
from neuronc.passes.argument_body import argument_function
from neuronc.passes.attributes import ints
from neuronc.passes.functions import function_name, is_reduction, reduction_of
from neuronc.passes.rewriting import Before, replace
from neuronc.passes.views import splat_of

WINDOW_MAX = 1024
"""Larger windows (a cumulative sum, say) are the library's: as views they grow quadratically."""
LONG = 4096
"""A reduction of everything is split when it is longer: rows first, then the row results."""


def decompose_reduce(op: Operation) -> None:
    """Reduce over dimensions of size 1, argmax and argmin, and whole-tensor reductions."""
    dimensions, shape = ints(op, "dimensions"), shape_of(op.operands[0])
    if not prod(shape):
        return
    if is_reduction(op):
        _narrow(op, dimensions, shape)
    elif len(op.operands) == 4:
        _argument(op, dimensions, shape)


def _narrow(op: Operation, dimensions: list[int], shape: tuple[int, ...]) -> None:
    """Drop reduced dimensions of size 1; reduce a long whole tensor in two steps."""
    b, function = Before(op), reduction_of(op)
    real = [d for d in dimensions if shape[d] > 1]
    if len(real) < len(dimensions):
        unit = [d for d in dimensions if shape[d] == 1]
        kept = [d for d in range(len(shape)) if d not in unit]
        small = b.reshape(op.operands[0], tuple(shape[d] for d in kept))
        if real:
            value = reduce(b, function, small, op.operands[1], [kept.index(d) for d in real])
        else:
            initial = b.broadcast(op.operands[1], shape_of(small), [])
            value = b.elementwise(function, initial, small)
        replace(op, value)
        return
    if len(real) == len(shape) and prod(shape) > LONG:
        rows = max(d for d in range(1, 129) if prod(shape) % d == 0)
        if rows == 1:
            return
        flat = b.reshape(op.operands[0], (rows, prod(shape) // rows))
        kind = element_type(op.operands[0])
        neutral = b.splat(REDUCTIONS[function].identity(kind.numpy), (), kind)
        partial = reduce(b, function, flat, neutral, [1])
        replace(op, reduce(b, function, partial, op.operands[1], [0]))


def reduce(
    b: Before, function: str, value: SSAValue, initial: SSAValue, dimensions: list[int]
) -> SSAValue:
    """A reduce op with a body of one function."""
    kind = element_type(value)
    scalar = tensor((), kind)
    body = Block(arg_types=[scalar, scalar])
    step = OPS[f"stablehlo.{function}"].create(operands=body.args, result_types=[scalar])
    body.add_ops([step, ReturnOp.create(operands=step.results)])
    shape = tuple(n for d, n in enumerate(shape_of(value)) if d not in dimensions)
    given: dict[str, Param] = {"dimensions": dimensions}
    return b.add(ReduceOp, [value, initial], [tensor(shape, kind)], given, [Region(body)])


def decompose_reduce_window(op: Operation) -> None:
    """Reduce the view of all windows of the padded operand."""
    function = _window_function(op)
    sizes = ints(op, "window_dimensions")
    kind = element_type(op.operands[0])
    initial = splat_of(op.operands[1])
    if not function or not kind.engine or prod(sizes) > WINDOW_MAX or initial is None:
        return
    if not prod(shape_of(op.operands[0])) or not prod(shape_of(op.results[0])):
        return
    if any(1 < n <= size for n, size in zip(shape_of(op.operands[0]), sizes, strict=True)):
        return  # Cumulative: a scan that the library does in linear time and in order.
    b = Before(op)
    padded = _padded(op, b)
    strides, dilations = ints(op, "window_strides"), ints(op, "window_dilations")
    real = [d for d, n in enumerate(sizes) if n > 1]
    rank = len(sizes)
    windows = b.windows(
        padded,
        list(range(rank)),
        sizes,
        strides,
        dilations,
    )
    flat = b.reshape(windows, (*shape_of(windows)[:rank], *(sizes[d] for d in real)))
    if not real:
        value = b.elementwise(function, b.broadcast(op.operands[1], shape_of(flat), []), flat)
    else:
        value = reduce(b, function, flat, op.operands[1], list(range(rank, rank + len(real))))
    replace(op, value)


def _window_function(op: Operation) -> str:
    """The function of a window reduction whose body is one op on its two arguments."""
    body = list(op.regions[0].block.ops)
    simple = len(op.results) == 1 and len(body) == 2
    if not simple or set(body[0].operands) != set(op.regions[0].block.args):
        return ""
    name = function_name(body[0])
    return name if name in REDUCTIONS else ""


def _padded(op: Operation, b: Before) -> SSAValue:
    operand, kind = op.operands[0], element_type(op.operands[0])
    pairs, gaps = params(op)["padding"], [n - 1 for n in ints(op, "base_dilations")]
    assert isinstance(pairs, list)
    low = [p[0] for p in pairs if isinstance(p, list)]
    high = [p[1] for p in pairs if isinstance(p, list)]
    if not (any(low) or any(high) or any(gaps)):
        return operand
    shape = tuple(
        before + after + (n - 1) * (gap + 1) + 1
        for n, before, after, gap in zip(shape_of(operand), low, high, gaps, strict=True)
    )
    given: dict[str, Param] = {
        "edge_padding_low": low,
        "edge_padding_high": high,
        "interior_padding": gaps,
    }
    return b.add(PadOp, [operand, op.operands[1]], [tensor(shape, kind)], given)


def _argument(op: Operation, dimensions: list[int], shape: tuple[int, ...]) -> None:
    """Argmax and argmin as JAX writes them: the extreme, then the first index that has it."""
    function = argument_function(op)
    values, indices = op.operands[0], op.operands[1]
    counted = isinstance(indices.owner, IotaOp) and ints_of_iota(indices) == dimensions[0]
    engine = element_type(values).engine and element_type(indices).engine
    if not function or not counted or not engine or len(dimensions) != 1:
        return
    b, (d,) = Before(op), dimensions
    if not _starts_neutral(op, function):
        return
    if shape[d] == 1:
        replace(
            op,
            *(
                b.reshape(v, shape_of(r))
                for v, r in zip((values, indices), op.results, strict=False)
            ),
        )
        return
    kind, number = element_type(values), element_type(indices)
    neutral = b.splat(REDUCTIONS[function].identity(kind.numpy), (), kind)
    best = reduce(b, function, values, neutral, [d])
    kept = [i for i in range(len(shape)) if i != d]
    spread = b.broadcast(best, shape, kept)
    style = {"compare_type": "FLOAT" if kind.is_float else "SIGNED"}
    hit = b.elementwise("compare", values, spread, comparison_direction="EQ", **style)
    if kind.is_float:
        lost = b.elementwise("compare", values, values, comparison_direction="NE", **style)
        hit = b.elementwise("or", hit, lost)
    top = np.iinfo(number.numpy).max
    chosen = b.elementwise("select", hit, indices, b.splat(top, shape, number))
    first = reduce(b, "minimum", chosen, b.splat(top, (), number), [d])
    replace(op, best, first)


def _starts_neutral(op: Operation, function: str) -> bool:
    """Whether the initial values lose against (or equal) everything, at index 0."""
    worst, index = splat_of(op.operands[2]), splat_of(op.operands[3])
    neutral = REDUCTIONS[function].identity(element_type(op.operands[0]).numpy)
    return worst is not None and index is not None and worst == neutral and not index


def ints_of_iota(value: SSAValue) -> int:
    """The dimension along which an iota counts."""
    op = value.owner
    assert isinstance(op, Operation)
    dimension = params(op)["iota_dimension"]
    assert isinstance(dimension, int)
    return dimension
