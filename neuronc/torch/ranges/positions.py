"""Intervals of counts and positions: below an extent."""

from __future__ import annotations

from math import prod

from torch.fx import Node

from neuronc.torch.ranges.interval import Range
from neuronc.torch.ranges.reading import Known, Rule, argument, base_of, count_along, same, within


def _position(node: Node, known: Known) -> Range | None:
    dim = argument(node, 1, None, "dim")
    shape = argument(node, 0).meta["val"].shape
    n = prod(map(int, shape)) if dim is None else count_along(node, [dim])
    return Range(0, max(n - 1, 0))


def _getitem(node: Node, known: Known) -> Range | None:
    """Indices that sorting and searching return, and parts of what is split."""
    source, which = node.args[0], node.args[1]
    assert isinstance(source, Node)
    base = base_of(source.target)
    if base in ("sort", "topk", "max", "min", "kthvalue", "median", "cummax", "cummin"):
        if which == 0:
            return same(source, known)
        dim = {"topk": 2, "kthvalue": 2}.get(base, 1)
        return within(source, argument(source, dim, -1, "dim"))
    if base in ("split", "split_with_sizes", "chunk", "unbind"):
        return same(source, known)
    if base == "max_pool2d_with_indices":
        shape = argument(source, 0).meta["val"].shape
        return Range(0, int(shape[-1]) * int(shape[-2]))
    return None


def _count(node: Node, known: Known) -> Range | None:
    """At most as many as there are elements."""
    return Range(0, count_along(node, None))


RULES: dict[str, Rule] = {
    "argmax": _position,
    "argmin": _position,
    "argsort": lambda node, known: within(node, argument(node, 1, -1, "dim")),
    "getitem": _getitem,
    **dict.fromkeys(("bincount", "count_nonzero", "histc"), _count),
    "bucketize": lambda node, known: Range(0, int(argument(node, 1).meta["val"].shape[0])),
    "searchsorted": lambda node, known: Range(0, int(argument(node, 0).meta["val"].shape[-1])),
    "randperm": lambda node, known: Range(0, max(int(argument(node, 0)) - 1, 0)),
}
