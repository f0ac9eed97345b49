"""Folding many elements into one with a region: the core of reduce, windows and scatter.

Folds of up to IN_ORDER_MAX elements go in order at the operands' own type, as the specification's
interpreter does. Longer ones may reassociate, as the specification allows: a region that is one
function of REDUCTIONS becomes its ufunc, and sums and products of floats accumulate in float64
(float32 for narrower types) and round once; any other region folds neighbours by halves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from neuronc.numerics import REDUCTIONS
from neuronc.numerics.casting import Array, is_numpys, kind, widen
from neuronc.runtime.library.programs import Program

IN_ORDER_MAX = 64


def accumulator(name: str, dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The type in which a reduction accumulates."""
    wide = widen(np.zeros((), dtype)).dtype
    if name in ("add", "multiply") and wide.kind in "fc" and is_numpys(dtype):
        return np.result_type(wide, np.float64)
    return wide


def ufunc_of(name: str, dtype: np.dtype[Any]) -> np.ufunc:
    """The NumPy function of a reduction; on booleans add is or, multiply is and."""
    if kind(dtype) == "b":
        name = {"add": "or", "multiply": "and"}.get(name, name)
    return REDUCTIONS[name].ufunc


def in_order(name: str, dtype: np.dtype[Any], length: int) -> bool:
    """Whether the order of a fold by a named function shows, and the fold is short."""
    return name in ("add", "multiply") and kind(dtype) in "fc" and length <= IN_ORDER_MAX


def fold_axes(
    program: Program, operands: Sequence[Array], inits: Sequence[Array], axes: Sequence[int]
) -> list[Array]:
    """Fold operands along `axes`, starting from the rank-0 inits."""
    name, dtype = program.reduction, operands[0].dtype
    length = math.prod(operands[0].shape[d] for d in axes)
    if name is not None and not in_order(name, dtype, length):
        return [fold_function(name, operands[0], inits[0], tuple(axes))]
    rest = [d for d in range(operands[0].ndim) if d not in axes]
    lanes = tuple(operands[0].shape[d] for d in rest)
    rows = [x.transpose([*axes, *rest]).reshape(length, *lanes) for x in operands]
    return fold_rows(program, rows, [np.broadcast_to(init, lanes) for init in inits])


def fold_function(name: str, operand: Array, init: Array, axes: tuple[int, ...]) -> Array:
    """Fold by a named function along `axes`."""
    ufunc = ufunc_of(name, operand.dtype)
    wide = accumulator(name, operand.dtype)
    x = widen(operand).astype(wide, copy=False)
    with np.errstate(all="ignore"):
        result = np.asarray(ufunc.reduce(x, axis=axes, initial=widen(init).astype(wide)))
        return result.astype(operand.dtype, copy=False)


def fold_rows(program: Program, rows: Sequence[Array], inits: Sequence[Array]) -> list[Array]:
    """Fold [R, *lanes] arrays along their first axis."""
    if len(rows[0]) > IN_ORDER_MAX:
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
    ranks = _ranks(index)
    rounds = int(ranks.max(initial=-1)) + 1
    name = program.reduction
    if name is not None and not in_order(name, results[0].dtype, rounds):
        return [_function_at(name, results[0], index, updates[0])]
    for number in range(rounds):
        chosen = np.flatnonzero(ranks == number)
        at = index[chosen]
        folded = program.run([*(r[at] for r in results), *(u[chosen] for u in updates)])
        for result, value in zip(results, folded, strict=True):
            result[at] = value
    return results


def _function_at(name: str, target: Array, index: Array, updates: Array) -> Array:
    """combine_at for a named function, with the ufunc's unbuffered `at`."""
    ufunc = ufunc_of(name, target.dtype)
    wide = accumulator(name, target.dtype)
    result = widen(target).astype(wide)
    with np.errstate(all="ignore"):
        ufunc.at(result, index, widen(updates).astype(wide, copy=False))
        return result.astype(target.dtype, copy=False)


def _ranks(index: Array) -> Array:
    """How often each index occurred before."""
    order = np.argsort(index, kind="stable")
    ordered = index[order]
    first = np.ones(len(order), np.bool_)
    first[1:] = ordered[1:] != ordered[:-1]
    count = np.arange(len(order))
    ranks = np.empty_like(count)
    ranks[order] = count - np.maximum.accumulate(np.where(first, count, 0))
    return ranks
