"""The rule of every operation whose interval is known, and the intervals of inputs."""

from __future__ import annotations

from typing import Any

import torch
from torch.fx import Node

from neuronc.torch.ranges import arithmetic, created, movement, positions
from neuronc.torch.ranges.interval import INT32, INT64, Range
from neuronc.torch.ranges.movement import WHOLE
from neuronc.torch.ranges.reading import Known, Rule, base_of, interval_of

_RULES: dict[str, Rule] = {
    **movement.RULES,
    **arithmetic.RULES,
    **created.RULES,
    **positions.RULES,
}


_WIDE = (torch.int64, torch.uint32, torch.uint64)


def range_of(node: Node, known: Known) -> Range | None:
    """The interval of a node's integer result, from those of its arguments; none if it may wrap."""
    rule = _RULES.get(base_of(node.target))
    found = rule(node, known) if rule else None
    return found if found is not None and INT64.holds(found) else None


def computes_in_int64(node: Node, known: Known) -> bool:
    """Whether arithmetic reads integers that may not fit int32, as `ids % 7` does.

    Its result may fit all the same; what it is computed from must not be cut off before.
    """
    if base_of(node.target) not in arithmetic.RULES:
        return False
    found = [interval_of(operand, known) for operand in (*node.args, *node.kwargs.values())
             if _is_integer(operand)]  # fmt: skip
    return any(one is None or not INT32.holds(one) for one in found)


def _is_integer(operand: Any) -> bool:
    """Whether it is a number, or a tensor, of torch's integers."""
    value = operand.meta.get("val") if isinstance(operand, Node) else operand
    return isinstance(value, int) or (isinstance(value, torch.Tensor) and value.dtype in _WIDE)


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
    base = base_of(user.target)
    if base == "embedding" and user.args[1] is node:
        return _rows(user.args[0], 0)
    if base in ("index_select", "gather") and user.args[2] is node:
        dim = user.args[1]
        return _rows(user.args[0], dim) if isinstance(dim, int) else None
    if base in WHOLE and user.args and user.args[0] is node:
        return index_bounds(user)
    return None


def _rows(table: Any, dim: int) -> Range:
    extents = table.meta["val"].shape
    n = int(extents[dim]) if len(extents) else 1
    return Range(-n, max(n - 1, 0))
