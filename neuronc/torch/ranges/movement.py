"""Intervals of what moves elements: those of the parts."""

from __future__ import annotations

import torch
from torch.fx import Node

from neuronc.torch.ranges.interval import Range
from neuronc.torch.ranges.reading import Known, Rule, argument, interval_of, joined, same

KEEP = (
    "reshape", "_unsafe_view", "expand", "permute", "transpose", "t", "squeeze",
    "unsqueeze", "slice", "select", "repeat", "flip", "roll", "clone", "alias", "detach",
    "contiguous", "_to_copy", "as_strided", "index", "index_select", "gather",
    "lift_fresh_copy", "unfold", "tril", "triu", "amax", "amin", "diagonal", "movedim",
    "flatten", "_reshape_alias", "view_copy", "expand_as", "reflection_pad1d",
    "reflection_pad2d", "replication_pad2d", "replication_pad1d",
)  # fmt: skip
WHOLE = (
    "view", "reshape", "_unsafe_view", "expand", "permute", "transpose", "t", "squeeze",
    "unsqueeze", "clone", "alias", "detach", "contiguous", "_to_copy", "flatten",
    "lift_fresh_copy",
)  # fmt: skip
"""Those that keep every element."""


def _scatter(node: Node, known: Known) -> Range | None:
    """What is written over; what is combined may be anything."""
    if "reduce" in str(node.target):
        return None
    return joined([argument(node, 0), argument(node, 3)], known)


def _cat(node: Node, known: Known) -> Range | None:
    parts = argument(node, 0)
    return joined(list(parts), known)


def _both(*indices: int) -> Rule:
    return lambda node, known: joined([argument(node, i) for i in indices], known)


def _view(node: Node, known: Known) -> Range | None:
    """The same elements in another shape; as another type, any bits."""
    return None if isinstance(argument(node, 1), torch.dtype) else same(node, known)


def _put(node: Node, known: Known) -> Range | None:
    """What is written over; what is added up may be anything."""
    return None if argument(node, 3, False, "accumulate") else _both(0, 2)(node, known)


RULES: dict[str, Rule] = {
    **dict.fromkeys(KEEP, same),
    "view": _view,
    "copy": lambda node, known: interval_of(argument(node, 1), known),
    "convert_element_type": same,
    "tril": lambda node, known: joined([node.args[0], 0], known),
    "triu": lambda node, known: joined([node.args[0], 0], known),
    "constant_pad_nd": lambda node, known: joined([node.args[0], argument(node, 2, 0)], known),
    "cat": _cat,
    "stack": _cat,
    "masked_fill": _both(0, 2),
    "index_put": _put,
    "scatter": _scatter,
    "slice_scatter": _both(0, 1),
    "select_scatter": _both(0, 1),
}
