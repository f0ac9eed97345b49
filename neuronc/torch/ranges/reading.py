"""What a rule reads of a node: its arguments, their intervals, their extents."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import torch
from torch.fx import Node

from neuronc.torch.ranges.interval import LIMITS, Range

Known = Mapping[Node, Range]
Rule = Callable[[Node, Known], Range | None]


def base_of(target: Any) -> str:
    """The name of an operation without its namespace and overload."""
    if target is operator.getitem:
        return "getitem"
    words = str(target).split(".")
    return words[1] if len(words) == 3 else ""


def interval_of(value: Any, known: Known) -> Range | None:
    """The interval of an argument: a number, or a node."""
    if isinstance(value, int):
        return Range(int(value), int(value))
    if not isinstance(value, Node):
        return None
    if value in known:
        return known[value]
    tensor = value.meta.get("val")
    return LIMITS.get(tensor.dtype) if isinstance(tensor, torch.Tensor) else None


def argument(node: Node, index: int, default: Any = None, name: str = "") -> Any:
    """An argument, however it was given."""
    return node.args[index] if index < len(node.args) else node.kwargs.get(name, default)


def count_along(node: Node, dims: Any) -> int:
    """How many elements the first argument has along dimensions, or in all."""
    shape = argument(node, 0).meta["val"].shape
    if not shape:
        return 1
    return prod(int(shape[d]) for d in (dims if dims else range(len(shape))))


def joined(values: Sequence[Any], known: Known) -> Range | None:
    """The interval that holds those of all values."""
    ranges = [interval_of(v, known) for v in values]
    found = [r for r in ranges if r is not None]
    if len(found) != len(ranges) or not found:
        return None
    low, high = min(r.low for r in found), max(r.high for r in found)
    return Range(low, high)


def same(node: Node, known: Known) -> Range | None:
    """That of the first argument."""
    return interval_of(argument(node, 0), known)


def corners(node: Node, known: Known, function: Callable[[Any, Any], Any]) -> Range | None:
    """The interval of a function that is monotonic in each argument."""
    x, y = interval_of(argument(node, 0), known), interval_of(argument(node, 1), known)
    if x is None or y is None:
        return None
    values = [function(a, b) for a in (x.low, x.high) for b in (y.low, y.high)]
    if not all(isinstance(v, int) for v in values):
        return None
    return Range(min(values), max(values))


def magnitude(x: Range) -> int:
    """The largest size of a quotient, by a divisor of at least 1."""
    return max(abs(x.low), abs(x.high))


def number_at(node: Node, index: int) -> Range | None:
    """That of an argument that is a number."""
    value = argument(node, index)
    return Range(int(value), int(value)) if isinstance(value, int | float) else None


def within(node: Node, dim: Any) -> Range:
    """All positions along a dimension of the first argument."""
    return Range(0, max(count_along(node, [dim]) - 1, 0))
