"""Note how often a loop runs, where its counter says so.

    while (%i = 0, ...) { %i < 12 } do { ...; yield %i + 1, ... }
  becomes
    while (%i = 0, ...) { %i < 12 } do { ...; yield %i + 1, ... } {trips = 12}

Nothing runs by it, but whoever times the program counts the body so often. It applies where the
condition is one comparison of a loop variable with a constant, and that variable starts at a
constant and changes by a constant: as scans and loops with fixed bounds are written.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import IntAttr, ModuleOp
from xdsl.ir import Block, Operation, SSAValue
from xdsl.passes import ModulePass

from neuronc.dialects.stablehlo.binary import AddOp, CompareOp, SubtractOp
from neuronc.dialects.stablehlo.control import WhileOp
from neuronc.passes.attributes import string
from neuronc.passes.views import splat_of

TRIPS = "trips"
"""Attribute of a loop."""
TRIPS_MAX = 2**31
_TURNED = {"LT": "GT", "LE": "GE", "GT": "LT", "GE": "LE", "NE": "NE"}


@dataclass(frozen=True)
class CountTrips(ModulePass):
    """Loops with fixed bounds get the attribute `trips`."""

    name = "count-trips"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Visit every loop."""
        for loop in op.walk():
            if isinstance(loop, WhileOp) and (trips := _trips(loop)) is not None:
                loop.attributes[TRIPS] = IntAttr(trips)


def _trips(loop: WhileOp) -> int | None:
    """How often the body runs; None where that is not known."""
    condition, body = (region.block for region in loop.regions)
    assert condition.last_op is not None
    compare = condition.last_op.operands[0].owner
    if not isinstance(compare, CompareOp):
        return None
    direction, (left, right) = string(compare, "comparison_direction"), compare.operands
    if right in condition.args:
        left, right, direction = right, left, _TURNED.get(direction, "")
    if left not in condition.args:
        return None
    number = condition.args.index(left)
    start, bound = _constant(loop.operands[number]), _constant(right)
    step = _step(body, number)
    if start is None or bound is None or not step:
        return None
    trips = _count(direction, start, step, bound)
    return trips if trips is not None and trips < TRIPS_MAX else None


def _count(direction: str, start: int, step: int, bound: int) -> int | None:
    """How often start, start + step.. holds against the bound; None if it moves away from it."""
    way = {"LT": 1, "LE": 1, "GT": -1, "GE": -1, "NE": 1 if step > 0 else -1}.get(direction, 0)
    distance, each = (bound - start) * way, step * way
    if each <= 0:
        return None
    if direction == "NE":
        return distance // each if distance >= 0 and distance % each == 0 else None
    return max(-(-(distance + (direction in ("LE", "GE"))) // each), 0)


def _step(body: Block, number: int) -> int | None:
    """By how much the body changes loop variable `number`; None where it is not a constant."""
    assert body.last_op is not None
    changed = body.last_op.operands[number].owner
    if not isinstance(changed, AddOp | SubtractOp):
        return None
    left, right = changed.operands
    counter = body.args[number]
    if left is counter:
        step = _constant(right)
        return -step if step is not None and isinstance(changed, SubtractOp) else step
    return _constant(left) if right is counter and isinstance(changed, AddOp) else None


def _constant(value: SSAValue) -> int | None:
    """The integer that a value is; None for anything else."""
    splat = splat_of(value) if isinstance(value.owner, Operation) else None
    return int(splat) if splat is not None and splat.dtype.kind in "iu" else None
