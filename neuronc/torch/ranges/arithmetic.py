"""Intervals of arithmetic."""

from __future__ import annotations

import operator

from torch.fx import Node

from neuronc.torch.ranges.interval import Range
from neuronc.torch.ranges.reading import (
    Known,
    Rule,
    argument,
    base_of,
    corners,
    interval_of,
    joined,
    magnitude,
    same,
)


def _add(node: Node, known: Known) -> Range | None:
    return corners(node, known, lambda a, b: a + b * node.kwargs.get("alpha", 1))


def _sub(node: Node, known: Known) -> Range | None:
    return corners(node, known, lambda a, b: a - b * node.kwargs.get("alpha", 1))


def _rsub(node: Node, known: Known) -> Range | None:
    return corners(node, known, lambda a, b: b - a * node.kwargs.get("alpha", 1))


def _mul(node: Node, known: Known) -> Range | None:
    return corners(node, known, operator.mul)


def _div(node: Node, known: Known) -> Range | None:
    y = interval_of(argument(node, 1), known)
    if node.kwargs.get("rounding_mode") is None and base_of(node.target) == "div":
        return None
    if y is None or y.low <= 0 <= y.high:
        return None
    x = interval_of(argument(node, 0), known)
    return None if x is None else Range(-magnitude(x), magnitude(x))


def _remainder(node: Node, known: Known) -> Range | None:
    y = interval_of(argument(node, 1), known)
    if y is None or y.low <= 0 <= y.high:
        return None
    if base_of(node.target) == "fmod":
        return Range(-(magnitude(y) - 1), magnitude(y) - 1)
    return Range(0, y.high - 1) if y.low > 0 else Range(y.low + 1, 0)


def _neg(node: Node, known: Known) -> Range | None:
    x = same(node, known)
    return Range(-x.high, -x.low) if x else None


def _abs(node: Node, known: Known) -> Range | None:
    x = same(node, known)
    return Range(0, magnitude(x)) if x else None


def _sign(node: Node, known: Known) -> Range | None:
    return Range(-1, 1)


def _clamp(node: Node, known: Known) -> Range | None:
    x = same(node, known) or Range(-(2**63), 2**63 - 1)
    low, high = (
        interval_of(argument(node, i, None, n), known) for i, n in ((1, "min"), (2, "max"))
    )
    if low is not None:
        x = Range(max(x.low, low.low), max(x.high, low.high))
    if high is not None:
        x = Range(min(x.low, high.low), min(x.high, high.high))
    return x


def _maximum(node: Node, known: Known) -> Range | None:
    return corners(node, known, max)


def _minimum(node: Node, known: Known) -> Range | None:
    return corners(node, known, min)


def _bits(node: Node, known: Known) -> Range | None:
    """And, or, exclusive or of numbers that are not negative need no further bit."""
    x, y = interval_of(argument(node, 0), known), interval_of(argument(node, 1), known)
    if x is None or y is None or min(x.low, y.low) < 0:
        return None
    return Range(0, 2 ** max(x.high, y.high).bit_length() - 1)


def _where(node: Node, known: Known) -> Range | None:
    return joined(node.args[1:3], known)


RULES: dict[str, Rule] = {
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
    "clamp_min": _maximum,
    "clamp_max": _minimum,
    "maximum": _maximum,
    "minimum": _minimum,
    "where": _where,
    **dict.fromkeys(("bitwise_and", "bitwise_or", "bitwise_xor"), _bits),
}
