"""Recognise the body of argmax and argmin by what it decides, not by how it is written.

A body of comparisons, logic and selects only moves its four arguments about, so it is decided by
how they compare. Asked about every ordering of two values (NaN included) and of two indices, it
either follows the law of argmax, that of argmin, or is something else.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from xdsl.ir import Operation

from neuronc.dialects.types import element_type
from neuronc.dtypes import ElementType
from neuronc.passes.functions import function_name
from neuronc.passes.regions import encode_region
from neuronc.runtime.library.programs import decode

_DECIDING = frozenset(("compare", "and", "or", "xor", "not", "select", "return"))


def argument_function(op: Operation) -> str:
    """'maximum' or 'minimum' for a reduce whose body is argmax or argmin, else ''.

    Of two values the law takes the better one, or the first that is NaN; of equals the one with
    the smaller index.
    """
    if not {function_name(o) for o in op.regions[0].block.ops} <= _DECIDING:
        return ""
    values, indices = element_type(op.operands[0]), element_type(op.operands[1])
    x, i, y, j = _orderings(values, indices)
    with np.errstate(invalid="ignore"):
        return _follows(op, x, i, y, j)


def _follows(op: Operation, x: np.ndarray, i: np.ndarray, y: np.ndarray, j: np.ndarray) -> str:
    got = decode(encode_region(op.regions[0])).run([x, i, y, j])
    for name, better in (("maximum", np.greater), ("minimum", np.less)):
        first = better(x, y) | (x != x)
        earlier = first | ((x == y) & (i < j))
        wanted = (np.where(first, x, y), np.where(earlier, i, j))
        if all(np.array_equal(g, w, equal_nan=True) for g, w in zip(got, wanted, strict=True)):
            return name
    return ""


def _orderings(values: ElementType, indices: ElementType) -> tuple[np.ndarray, ...]:
    """Every way in which two values and two indices can compare."""
    numbers = (1.0, 2.0, np.nan) if values.is_float else (1, 2)
    rows = list(product(numbers, (3, 4), numbers, (3, 4)))
    kinds = (values.numpy, indices.numpy, values.numpy, indices.numpy)
    columns = zip(*rows, strict=True)
    return tuple(np.array(c).astype(k) for c, k in zip(columns, kinds, strict=True))
