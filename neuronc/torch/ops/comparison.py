"""Comparison, logic, and choice between elements."""

from __future__ import annotations

from neuronc.torch.building.values import Value
from neuronc.torch.scope import Scope
from neuronc.torch.table import Emitter, Operand, aten

COMPARISONS = {"eq": "EQ", "ne": "NE", "lt": "LT", "le": "LE", "gt": "GT", "ge": "GE"}


def _comparison(direction: str) -> Emitter:
    def emit(s: Scope, x: Operand, y: Operand) -> Value:
        kind = s.common(0, 1)
        return s.b.compare(direction, s.fit(x, kind), s.fit(y, kind))

    return emit


for _torch_name, _name in COMPARISONS.items():
    aten(f"{_torch_name}.Tensor", f"{_torch_name}.Scalar")(_comparison(_name))


def _logical(name: str) -> Emitter:
    def emit(s: Scope, x: Operand, y: Operand) -> Value:
        return s.b.binary(name, s.fit(x, "i1"), s.fit(y, "i1"))

    return emit


for _torch_name in ("and", "or", "xor"):
    aten(f"logical_{_torch_name}")(_logical(_torch_name))


@aten("where.self", "where.ScalarOther", "where.ScalarSelf")
def where(s: Scope, chosen: Value, x: Operand, y: Operand) -> Value:
    """X where chosen, else y."""
    return s.b.select(s.fit(chosen, "i1"), s.fit(x), s.fit(y))


@aten("masked_fill.Scalar", "masked_fill.Tensor")
def masked_fill(s: Scope, x: Value, mask: Value, value: Operand) -> Value:
    """The value where the mask holds, else x."""
    return s.b.select(s.fit(mask, "i1"), s.fit(value), s.fit(x))


@aten("clamp", "clamp.Tensor", "hardtanh")
def clamp(s: Scope, x: Value, min: Operand | None = None, max: Operand | None = None) -> Value:
    """At least min, then at most max."""
    if str(s.node.target).startswith("aten.hardtanh"):
        min, max = -1 if min is None else min, 1 if max is None else max
    y = s.fit(x)
    y = y if min is None else s.b.maximum(y, s.fit(min))
    return y if max is None else s.b.minimum(y, s.fit(max))


@aten("clamp_min", "clamp_min.Tensor")
def clamp_min(s: Scope, x: Value, min: Operand) -> Value:
    """At least min."""
    return s.b.maximum(s.fit(x), s.fit(min))


@aten("clamp_max", "clamp_max.Tensor")
def clamp_max(s: Scope, x: Value, max: Operand) -> Value:
    """At most max."""
    return s.b.minimum(s.fit(x), s.fit(max))
