"""Sort with any comparator, and top_k.

A comparator that only compares one key of each side, LT or GT, is recognised and the key sorted
with NumPy. Any other comparator drives a merging network (Batcher's), all pairs of a stage at
once; ties are broken by position, so every sort is stable.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias, cast

import numpy as np

from neuronc.numerics.casting import Array, kind, widen
from neuronc.numerics.floats import total_order
from neuronc.runtime.library.programs import Program, regions
from neuronc.runtime.library.registry import Params, ResultType, library

_Expression: TypeAlias = tuple[object, ...]
"""How a value is computed: ("argument", number), or (op, params, .., operands), hashable."""


@library("sort")
def sort(params: Params, operands: Sequence[Array], results: Sequence[ResultType]) -> list[Array]:
    """The operands sorted together along `dimension` by the region's less-than."""
    axis = int(params["dimension"])
    rows = [np.moveaxis(x, axis, -1) for x in operands]
    order = _order(regions(params)[0], rows)
    sorted_rows = (np.take_along_axis(x, order, axis=-1) for x in rows)
    return [np.moveaxis(x, -1, axis) for x in sorted_rows]


def _order(comparator: Program, rows: Sequence[Array]) -> Array:
    """The stable sorting permutation along the last axis."""
    key = _single_key(comparator, rows)
    if key is not None:
        return np.argsort(key, axis=-1, kind="stable")
    return _network(comparator, rows)


def _single_key(comparator: Program, rows: Sequence[Array]) -> Array | None:
    """Integers or floats that order as the comparator does, if it compares one key per side."""
    last = comparator.steps[-1] if comparator.steps else None
    if last is None or last.op != "compare" or comparator.results != (_count(comparator) - 1,):
        return None
    names = _expressions(comparator)
    left, right = (names[i] for i in last.operands)
    if _swapped(left) != right or _sides(left) not in ({0}, {1}):
        return None
    direction = str(last.params["comparison_direction"])
    if direction not in ("LT", "GT"):
        return None
    ascending = (direction == "LT") == (_sides(left) == {0})
    keys = Program(comparator.arguments, comparator.steps[:-1], (last.operands[0],))
    if not keys.is_lanewise:
        return None
    value = keys.run([x for x in rows for _ in range(2)])[0]
    return _ordered(value, last.params.get("compare_type") == "TOTALORDER", ascending)


def _count(program: Program) -> int:
    """How many values a program has."""
    return program.arguments + sum(len(step.results) for step in program.steps)


def _expressions(program: Program) -> list[_Expression]:
    """The expression of every value."""
    values: list[_Expression] = [("argument", i) for i in range(program.arguments)]
    for step in program.steps:
        constant = None if step.value is None else step.value.tobytes()
        types = tuple(str(result.dtype) for result in step.results)
        operands = tuple(values[i] for i in step.operands)
        body = (step.op, repr(step.params), constant, types, operands)
        values.extend(("result", number, body) for number in range(len(step.results)))
    return values


def _swapped(expression: object) -> object:
    """The expression with left and right elements exchanged."""
    if not isinstance(expression, tuple):
        return expression
    items = cast(_Expression, expression)
    if items[:1] == ("argument",) and isinstance(items[1], int):
        return ("argument", items[1] ^ 1)
    return tuple(_swapped(item) for item in items)


def _sides(expression: object) -> set[int]:
    """Which sides (0 left, 1 right) an expression reads."""
    if not isinstance(expression, tuple):
        return set()
    items = cast(_Expression, expression)
    if items[:1] == ("argument",) and isinstance(items[1], int):
        return {items[1] % 2}
    return set[int]().union(*(_sides(item) for item in items))


def _ordered(value: Array, total: bool, ascending: bool) -> Array | None:
    """Keys whose ascending NumPy order is the wanted one."""
    if total and kind(value.dtype) == "f":
        value = total_order(value)
    value = widen(value)
    if value.dtype.kind == "c" or (value.dtype.kind == "f" and bool(np.isnan(value).any())):
        return None
    if ascending:
        return value
    return np.negative(value) if value.dtype.kind == "f" else np.invert(value)


def _network(comparator: Program, rows: Sequence[Array]) -> Array:
    """Sort by Batcher's odd-even merging network, comparing whole stages at once."""
    length = rows[0].shape[-1]
    values = [np.array(x) for x in rows]
    order = _positions(rows[0].shape)
    for low, high in _stages(length):
        a, b = [x[..., low] for x in values], [x[..., high] for x in values]
        first, second = order[..., low], order[..., high]
        swap = _before(comparator, b, a, second, first)
        for x, lower, upper in zip([*values, order], [*a, first], [*b, second], strict=True):
            x[..., low] = np.where(swap, upper, lower)
            x[..., high] = np.where(swap, lower, upper)
    return order


def _positions(shape: tuple[int, ...]) -> Array:
    """0, 1, .. along the last axis."""
    positions = np.empty(shape, np.int64)
    positions[...] = np.arange(shape[-1])
    return positions


def _before(
    comparator: Program, a: Sequence[Array], b: Sequence[Array], i: Array, j: Array
) -> Array:
    """Whether a at position i sorts before b at position j; position breaks ties."""
    less = comparator.run([x for pair in zip(a, b, strict=True) for x in pair])[0]
    more = comparator.run([x for pair in zip(b, a, strict=True) for x in pair])[0]
    return less | (~more & (i < j))


def _stages(length: int) -> list[tuple[Array, Array]]:
    """Pairs (low, high) to compare, stage by stage."""
    stages: list[tuple[Array, Array]] = []
    at = np.arange(length)
    size = 1
    while size < length:
        step = size
        while step >= 1:
            low = at[(at >= step % size) & ((at - step % size) // step % 2 == 0)]
            high = low + step
            kept = (high < length) & (low // (2 * size) == high // (2 * size))
            stages.append((low[kept], high[kept]))
            step //= 2
        size *= 2
    return stages


@library("top_k")
def top_k(params: Params, operands: Sequence[Array], results: Sequence[ResultType]) -> list[Array]:
    """The `k` largest of the last axis, largest first, and where they were (i32)."""
    operand, count = operands[0], int(params["k"])
    key = total_order(operand) if kind(operand.dtype) == "f" else widen(operand)
    order = np.argsort(np.invert(key), axis=-1, kind="stable")[..., :count]
    return [np.take_along_axis(operand, order, axis=-1), order.astype(np.int32)]
