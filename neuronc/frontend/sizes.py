"""How much memory a program takes, estimated from its types alone.

No compiler can do with less than `least_bytes`. With `most_bytes` even one could that writes the
result of every operation; neuronc, which fuses them, needs less.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

from jaxlib.mlir import ir

from neuronc.dtypes import BY_NAME
from neuronc.frontend.mlir import name_of, operations

CONSTANT = "stablehlo.constant"


def least_bytes(entry: ir.Operation) -> int:
    """Bytes of the arguments and results."""
    sizes = _Sizes()
    block = entry.regions[0].blocks[0]
    return sizes.of_all(block.arguments) + sizes.of_all(block.operations[-1].operation.operands)


def most_bytes(entry: ir.Operation) -> int:
    """Bytes of those, of the constants, and twice of what is alive at the worst moment."""
    sizes = _Sizes()
    ops = [op.operation for op in entry.regions[0].blocks[0].operations]
    constants = sizes.of_all(r for op in ops if name_of(op) == CONSTANT for r in op.results)
    return least_bytes(entry) + constants + 2 * _peak(ops, sizes)


def _peak(ops: list[ir.Operation], sizes: _Sizes) -> int:
    """Bytes alive at the worst moment; what regions make lives while their operation runs."""
    ends: dict[ir.Value, int] = {}
    for position, op in enumerate(ops):
        ends.update((value, position) for value in op.operands)
    alive = peak = 0
    dying: dict[int, int] = {}
    for position, op in enumerate(ops):
        inner = operations(op) if len(op.regions) else []
        inside = sum(sizes.of_all(o.results) for o in inner)
        for result in op.results:
            size = sizes.of(result)
            alive += size
            end = ends.get(result, position)
            dying[end] = dying.get(end, 0) + size
        peak = max(peak, alive + inside)
        alive -= dying.pop(position, 0)
    return peak


class _Sizes:
    """Bytes of values; each type is looked at once."""

    def __init__(self) -> None:
        self._known: dict[ir.Type, int] = {}

    def of(self, value: ir.Value) -> int:
        """Bytes of one value; 0 where its type does not tell."""
        type_ = value.type
        if type_ not in self._known:
            self._known[type_] = _bytes(type_)
        return self._known[type_]

    def of_all(self, values: Iterable[ir.Value]) -> int:
        return sum(map(self.of, values))


def _bytes(type_: ir.Type) -> int:
    if not isinstance(type_, ir.RankedTensorType) or not type_.has_static_shape:
        return 0
    element = BY_NAME.get(str(type_.element_type))
    return element.bytes * prod(type_.shape) if element else 0
