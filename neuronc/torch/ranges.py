"""Intervals of int64 values, so that indices run on engines that have no 64-bit integers.

    arange(0, 128)      [0, 127]
    x + 3               [lo + 3, hi + 3]
    argmax over n       [0, n - 1]
    ids of embedding    [-n, n - 1], or torch would raise

A value whose interval is within int32 is written as i32; the numbers are the same. Where nothing
is known, it stays 64 bits wide. Intervals are exact Python integers, so none can wrap.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch.fx import Node


@dataclass(frozen=True)
class Range:
    """All integers from `low` to `high`."""

    low: int
    high: int

    def holds(self, other: Range) -> bool:
        """Whether the other lies within."""
        return self.low <= other.low and other.high <= self.high

    def joined(self, other: Range) -> Range:
        """The smallest that holds both."""
        return Range(min(self.low, other.low), max(self.high, other.high))


INT32 = Range(-(2**31), 2**31 - 1)
_LIMITS = {
    torch.bool: Range(0, 1),
    torch.int8: Range(-128, 127),
    torch.uint8: Range(0, 255),
    torch.int16: Range(-(2**15), 2**15 - 1),
    torch.uint16: Range(0, 2**16 - 1),
    torch.int32: INT32,
}
Known = Mapping[Node, Range]
Rule = Callable[[Node, Known], Range | None]


def range_of(node: Node, known: Known) -> Range | None:
    """The interval of a node's integer result, from those of its arguments."""
    rule = _RULES.get(_base(node.target))
    return rule(node, known) if rule else None


def range_of_values(tensor: torch.Tensor) -> Range | None:
    """The interval of the elements that a constant has."""
    if tensor.is_floating_point() or tensor.is_complex() or tensor.device.type == "meta":
        return None
    if not tensor.numel():
        return Range(0, 0)
    wide = tensor.to(torch.int64)
    return Range(int(wide.min()), int(wide.max()))


def index_bounds(node: Node) -> Range | None:
    """The interval of an input that is used, as it is, to look up rows: out of it torch raises."""
    bounds = [_bound(user, node) for user in node.users]
    found = [b for b in bounds if b is not None]
    return Range(max(b.low for b in found), min(b.high for b in found)) if found else None


def _bound(user: Node, node: Node) -> Range | None:
    base = _base(user.target)
    if base == "embedding" and user.args[1] is node:
        return _rows(user.args[0], 0)
    if base in ("index_select", "gather") and user.args[2] is node:
        dim = user.args[1]
        return _rows(user.args[0], dim) if isinstance(dim, int) else None
    if base in _KEEP and user.args and user.args[0] is node and base in _WHOLE:
        return index_bounds(user)
    return None


def _rows(table: Any, dim: int) -> Range:
    extents = table.meta["val"].shape
    n = int(extents[dim]) if len(extents) else 1
    return Range(-n, max(n - 1, 0))


def _base(target: Any) -> str:
    """The name of an operation without its namespace and overload."""
    if target is operator.getitem:
        return "getitem"
    words = str(target).split(".")
    return words[1] if len(words) == 3 else ""


def _of(value: Any, known: Known) -> Range | None:
    """The interval of an argument: a number, or a node."""
    if isinstance(value, int):
        return Range(int(value), int(value))
    if not isinstance(value, Node):
        return None
    if value in known:
        return known[value]
    tensor = value.meta.get("val")
    return _LIMITS.get(tensor.dtype) if isinstance(tensor, torch.Tensor) else None


def _arg(node: Node, index: int, default: Any = None, name: str = "") -> Any:
    return node.args[index] if index < len(node.args) else node.kwargs.get(name, default)


def _same(node: Node, known: Known) -> Range | None:
    return _of(_arg(node, 0), known)


def _joined(values: Sequence[Any], known: Known) -> Range | None:
    ranges = [_of(v, known) for v in values]
    found = [r for r in ranges if r is not None]
    if len(found) != len(ranges) or not found:
        return None
    low, high = min(r.low for r in found), max(r.high for r in found)
    return Range(low, high)


def _cat(node: Node, known: Known) -> Range | None:
    parts = _arg(node, 0)
    return _joined(list(parts), known)


def _both(*indices: int) -> Rule:
    return lambda node, known: _joined([_arg(node, i) for i in indices], known)


def _add(node: Node, known: Known) -> Range | None:
    return _corners(node, known, lambda a, b: a + b * node.kwargs.get("alpha", 1))


def _sub(node: Node, known: Known) -> Range | None:
    return _corners(node, known, lambda a, b: a - b * node.kwargs.get("alpha", 1))


def _rsub(node: Node, known: Known) -> Range | None:
    return _corners(node, known, lambda a, b: b - a * node.kwargs.get("alpha", 1))


def _corners(node: Node, known: Known, function: Callable[[Any, Any], Any]) -> Range | None:
    """The interval of a function that is monotonic in each argument."""
    x, y = _of(_arg(node, 0), known), _of(_arg(node, 1), known)
    if x is None or y is None:
        return None
    values = [function(a, b) for a in (x.low, x.high) for b in (y.low, y.high)]
    if not all(isinstance(v, int) for v in values):
        return None
    return Range(min(values), max(values))


def _mul(node: Node, known: Known) -> Range | None:
    return _corners(node, known, operator.mul)


def _div(node: Node, known: Known) -> Range | None:
    y = _of(_arg(node, 1), known)
    if node.kwargs.get("rounding_mode") is None and _base(node.target) == "div":
        return None
    if y is None or y.low <= 0 <= y.high:
        return None
    x = _of(_arg(node, 0), known)
    return None if x is None else Range(-_magnitude(x), _magnitude(x))


def _magnitude(x: Range) -> int:
    """The largest size of a quotient, by a divisor of at least 1."""
    return max(abs(x.low), abs(x.high))


def _remainder(node: Node, known: Known) -> Range | None:
    y = _of(_arg(node, 1), known)
    if y is None or y.low <= 0 <= y.high:
        return None
    if _base(node.target) == "fmod":
        return Range(-(_magnitude(y) - 1), _magnitude(y) - 1)
    return Range(0, y.high - 1) if y.low > 0 else Range(y.low + 1, 0)


def _neg(node: Node, known: Known) -> Range | None:
    x = _same(node, known)
    return Range(-x.high, -x.low) if x else None


def _abs(node: Node, known: Known) -> Range | None:
    x = _same(node, known)
    return Range(0, _magnitude(x)) if x else None


def _sign(node: Node, known: Known) -> Range | None:
    return Range(-1, 1)


def _clamp(node: Node, known: Known) -> Range | None:
    x = _same(node, known) or Range(-(2**63), 2**63 - 1)
    low, high = (_of(_arg(node, i, None, n), known) for i, n in ((1, "min"), (2, "max")))
    if low is not None:
        x = Range(max(x.low, low.low), max(x.high, low.high))
    if high is not None:
        x = Range(min(x.low, high.low), min(x.high, high.high))
    return x


def _maximum(node: Node, known: Known) -> Range | None:
    return _corners(node, known, max)


def _minimum(node: Node, known: Known) -> Range | None:
    return _corners(node, known, min)


def _arange(node: Node, known: Known) -> Range | None:
    given = [a for a in node.args if isinstance(a, int)]
    if len(given) != len(node.args) or not given:
        return None
    start, end, step = (0, given[0], 1) if len(given) == 1 else (*given, 1)[:3]
    count = -(-(end - start) // step)
    if count <= 0:
        return Range(0, 0)
    ends = (start, start + (count - 1) * step)
    return Range(min(ends), max(ends))


def _iota(node: Node, known: Known) -> Range | None:
    start, step = node.kwargs.get("start", 0), node.kwargs.get("step", 1)
    length = node.args[0]
    assert isinstance(length, int)
    assert isinstance(start, int)
    assert isinstance(step, int)
    ends = (start, start + max(length - 1, 0) * step)
    return Range(min(ends), max(ends))


def _full(node: Node, known: Known) -> Range | None:
    value = _arg(node, 1)
    return Range(int(value), int(value)) if isinstance(value, int | float) else None


def _number(node: Node, known: Known) -> Range | None:
    value = _arg(node, 0)
    return Range(int(value), int(value)) if isinstance(value, int | float) else None


def _zero(node: Node, known: Known) -> Range | None:
    return Range(0, 0)


def _one(node: Node, known: Known) -> Range | None:
    return Range(1, 1)


def _cumsum(node: Node, known: Known) -> Range | None:
    x, dim = _same(node, known), _arg(node, 1)
    return _times(x, _extents(node, [dim])) if x else None


def _sum(node: Node, known: Known) -> Range | None:
    x, dims = _same(node, known), _arg(node, 1)
    return _times(x, _extents(node, dims)) if x else None


def _times(x: Range, n: int) -> Range:
    """The sums of up to n values."""
    return Range(min(0, x.low * n), max(0, x.high * n))


def _extents(node: Node, dims: Any) -> int:
    shape = _arg(node, 0).meta["val"].shape
    if not shape:
        return 1
    return prod(int(shape[d]) for d in (dims if dims else range(len(shape))))


def _position(node: Node, known: Known) -> Range | None:
    dim = _arg(node, 1, None, "dim")
    shape = _arg(node, 0).meta["val"].shape
    n = prod(map(int, shape)) if dim is None else _extents(node, [dim])
    return Range(0, max(n - 1, 0))


def _getitem(node: Node, known: Known) -> Range | None:
    """Indices that sorting and searching return, and parts of what is split."""
    source, which = node.args[0], node.args[1]
    assert isinstance(source, Node)
    base = _base(source.target)
    if base in ("sort", "topk", "max", "min", "kthvalue", "median", "cummax", "cummin"):
        if which == 0:
            return _same(source, known)
        dim = {"topk": 2, "kthvalue": 2}.get(base, 1)
        return _within(source, _arg(source, dim, -1, "dim"))
    if base in ("split", "split_with_sizes", "chunk", "unbind"):
        return _same(source, known)
    if base == "max_pool2d_with_indices":
        shape = _arg(source, 0).meta["val"].shape
        return Range(0, int(shape[-1]) * int(shape[-2]))
    return None


def _within(node: Node, dim: Any) -> Range:
    return Range(0, max(_extents(node, [dim]) - 1, 0))


def _bits(node: Node, known: Known) -> Range | None:
    """And, or, exclusive or of numbers that are not negative need no further bit."""
    x, y = _of(_arg(node, 0), known), _of(_arg(node, 1), known)
    if x is None or y is None or min(x.low, y.low) < 0:
        return None
    return Range(0, 2 ** max(x.high, y.high).bit_length() - 1)


def _where(node: Node, known: Known) -> Range | None:
    return _joined(node.args[1:3], known)


def _scatter(node: Node, known: Known) -> Range | None:
    return _joined([_arg(node, 0), _arg(node, 3)], known)


_KEEP = (
    "view", "reshape", "_unsafe_view", "expand", "permute", "transpose", "t", "squeeze",
    "unsqueeze", "slice", "select", "repeat", "flip", "roll", "clone", "alias", "detach",
    "contiguous", "_to_copy", "copy", "as_strided", "index", "index_select", "gather",
    "lift_fresh_copy", "unfold", "tril", "triu", "amax", "amin", "diagonal", "movedim",
    "flatten", "_reshape_alias", "view_copy", "expand_as", "reflection_pad1d",
    "reflection_pad2d", "replication_pad2d", "replication_pad1d", "pad",
)  # fmt: skip
_WHOLE = (
    "view", "reshape", "_unsafe_view", "expand", "permute", "transpose", "t", "squeeze",
    "unsqueeze", "clone", "alias", "detach", "contiguous", "_to_copy", "flatten",
    "lift_fresh_copy",
)  # fmt: skip
"""Those that keep every element."""

_RULES: dict[str, Rule] = {
    **dict.fromkeys(_KEEP, _same),
    "convert_element_type": _same,
    "tril": lambda n, k: _joined([n.args[0], 0], k),
    "triu": lambda n, k: _joined([n.args[0], 0], k),
    "constant_pad_nd": lambda n, k: _joined([n.args[0], _arg(n, 2, 0)], k),
    "cat": _cat,
    "stack": _cat,
    "add": _add,
    "sub": _sub,
    "rsub": _rsub,
    "mul": _mul,
    "div": _div,
    "floor_divide": _div,
    "remainder": _remainder,
    "fmod": _remainder,
    "neg": _neg,
    "abs": _abs,
    "sign": _sign,
    "clamp": _clamp,
    "clamp_min": _clamp,
    "clamp_max": lambda n, k: _minimum(n, k),
    "maximum": _maximum,
    "minimum": _minimum,
    "arange": _arange,
    "iota": _iota,
    "full": _full,
    "full_like": _full,
    "new_full": lambda n, k: _number_at(n, 2),
    "fill": _full,
    "scalar_tensor": _number,
    **dict.fromkeys(("zeros", "zeros_like", "new_zeros", "empty", "empty_like"), _zero),
    **dict.fromkeys(("ones", "ones_like", "new_ones"), _one),
    "cumsum": _cumsum,
    "sum": _sum,
    "argmax": _position,
    "argmin": _position,
    "argsort": lambda n, k: _within(n, _arg(n, 1, -1, "dim")),
    "getitem": _getitem,
    "where": _where,
    **dict.fromkeys(("bitwise_and", "bitwise_or", "bitwise_xor"), _bits),
    "masked_fill": _both(0, 2),
    "index_put": _both(0, 2),
    "scatter": _scatter,
    "slice_scatter": _both(0, 1),
    "select_scatter": _both(0, 1),
    "count_nonzero": lambda n, k: Range(0, _extents(n, None)),
    "histc": lambda n, k: Range(0, _extents(n, None)),
    "bucketize": lambda n, k: Range(0, int(_arg(n, 1).meta["val"].shape[0])),
    "searchsorted": lambda n, k: Range(0, int(_arg(n, 0).meta["val"].shape[-1])),
    "randperm": lambda n, k: Range(0, max(int(_arg(n, 0)) - 1, 0)),
    "bincount": lambda n, k: Range(0, _extents(n, None)),
}


def _number_at(node: Node, index: int) -> Range | None:
    value = _arg(node, index)
    return Range(int(value), int(value)) if isinstance(value, int | float) else None
