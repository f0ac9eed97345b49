"""Intervals of what comes from nothing, and of sums."""

from __future__ import annotations

from torch.fx import Node

from neuronc.torch.ranges.interval import Range
from neuronc.torch.ranges.reading import Known, Rule, argument, count_along, number_at, same


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
    value = argument(node, 1)
    return Range(int(value), int(value)) if isinstance(value, int | float) else None


def _number(node: Node, known: Known) -> Range | None:
    value = argument(node, 0)
    return Range(int(value), int(value)) if isinstance(value, int | float) else None


def _zero(node: Node, known: Known) -> Range | None:
    return Range(0, 0)


def _one(node: Node, known: Known) -> Range | None:
    return Range(1, 1)


def _cumsum(node: Node, known: Known) -> Range | None:
    x, dim = same(node, known), argument(node, 1)
    return _times(x, count_along(node, [dim])) if x else None


def _sum(node: Node, known: Known) -> Range | None:
    x, dims = same(node, known), argument(node, 1)
    return _times(x, count_along(node, dims)) if x else None


def _times(x: Range, n: int) -> Range:
    """The sums of up to n values."""
    return Range(min(0, x.low * n), max(0, x.high * n))


RULES: dict[str, Rule] = {
    "arange": _arange,
    "iota": _iota,
    "full": _full,
    "full_like": _full,
    "new_full": lambda node, known: number_at(node, 2),
    "fill": _full,
    "scalar_tensor": _number,
    **dict.fromkeys(("zeros", "zeros_like", "new_zeros", "empty", "empty_like"), _zero),
    **dict.fromkeys(("ones", "ones_like", "new_ones"), _one),
    "cumsum": _cumsum,
    "sum": _sum,
}
