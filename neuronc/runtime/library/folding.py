"""Folding many elements into one with a region: the core of reduce, windows and scatter.

A region that is one function of REDUCTIONS becomes its ufunc; sums and products of floats then
accumulate in float64 (float32 for narrower types) and round once. Any other region folds in
order, all lanes at once; long folds go by halves of neighbours, which an associative region
cannot tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from neuronc.numerics import REDUCTIONS
from neuronc.numerics.casting import Array, kind, widen
from neuronc.runtime.library.programs import Program

_IN_ORDER_MAX = 64


def accumulator(name: str, dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The type in which a reduction accumulates."""
    wide = widen(np.zeros((), dtype)).dtype
    if name in ("add", "multiply") and wide.kind in "fc" and dtype.kind != "V":
        return np.result_type(wide, np.float64)
    return wide


def fold_axes(
    program: Program, operands: Sequence[Array], inits: Sequence[Array], axes: Sequence[int]
):
    """Fold operands along `axes`, starting from the rank-0 inits."""
    if program.reduction is not None:
        return [fold_function(program.reduction, operands[0], inits[0], tuple(axes))]
    rest = [d for d in range(operands[0].ndim) if d not in axes]
    lanes = tuple(operands[0].shape[d] for d in rest)
    rows = [x.transpose([*axes, *rest]).reshape(-1, *lanes) for x in operands]
    return fold_rows(program, rows, [np.broadcast_to(init, lanes) for init in inits])


def fold_function(name: str, operand: Array, init: Array, axes: tuple[int, ...]) -> Array:
    """Fold by a named function along `axes`."""
    ufunc = REDUCTIONS[name].ufunc
    if kind(operand.dtype) == "b" and name in ("add", "multiply"):
        ufunc = np.logical_or if name == "add" else np.logical_and
    wide = accumulator(name, operand.dtype)
    x = widen(operand).astype(wide, copy=False)
    with np.errstate(all="ignore"):
        result = np.asarray(ufunc.reduce(x, axis=axes, initial=widen(init).astype(wide)))
        return result.astype(operand.dtype, copy=False)


def fold_rows(program: Program, rows: Sequence[Array], inits: Sequence[Array]) -> list[Array]:
    """Fold [R, *lanes] arrays along their first axis."""
    if len(rows[0]) > _IN_ORDER_MAX:
        while len(rows[0]) > 1:
            rows = _halve(program, rows)
    results = list(inits)
    for row in zip(*rows, strict=True):
        results = program.run([*results, *row])
    return results


def _halve(program: Program, rows: Sequence[Array]) -> list[Array]:
    """Fold neighbours 2i and 2i + 1; an odd last row stays."""
    even = len(rows[0]) // 2 * 2
    pairs = program.run([*(x[0:even:2] for x in rows), *(x[1:even:2] for x in rows)])
    return [np.concatenate([p, x[even:]]) for p, x in zip(pairs, rows, strict=True)]


def combine_at(
    program: Program, targets: Sequence[Array], index: Array, updates: Sequence[Array]
) -> list[Array]:
    """targets[index[m], :] = program(targets[index[m], :], updates[m, :]) for m in order.

    targets [N, F], index [M], updates [M, F]. Rounds of distinct indices keep the order in which
    colliding updates meet.
    """
    results = [np.array(t) for t in targets]
    count = len(results)
    if program.chosen == tuple(range(count, 2 * count)):
        for result, update in zip(results, updates, strict=True):
            result[index] = update
        return results
    if program.reduction is not None and program.reduction != "multiply":
        return [_function_at(program.reduction, results[0], index, updates[0])]
    for chosen in _rounds(index):
        at = index[chosen]
        folded = program.run([*(r[at] for r in results), *(u[chosen] for u in updates)])
        for result, value in zip(results, folded, strict=True):
            result[at] = value
    return results


def _function_at(name: str, target: Array, index: Array, updates: Array) -> Array:
    """combine_at for a named function, with the ufunc's unbuffered `at`."""
    ufunc = REDUCTIONS[name].ufunc
    if kind(target.dtype) == "b" and name == "add":
        ufunc = np.logical_or
    wide = accumulator(name, target.dtype)
    result = widen(target).astype(wide)
    with np.errstate(all="ignore"):
        ufunc.at(result, index, widen(updates).astype(wide, copy=False))
        return result.astype(target.dtype, copy=False)


def _rounds(index: Array) -> list[Array]:
    """Positions grouped so that no index repeats within a group, first occurrences first."""
    if index.size == 0:
        return []
    order = np.argsort(index, kind="stable")
    ordered = index[order]
    first = np.concatenate([[True], ordered[1:] != ordered[:-1]])
    begin = np.maximum.accumulate(np.where(first, np.arange(len(order)), 0))
    rank = np.arange(len(order)) - begin
    return [np.sort(order[rank == r]) for r in range(int(rank.max()) + 1)]
