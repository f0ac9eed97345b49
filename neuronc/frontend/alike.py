"""Which MLIR operations are alike: the same but for the values that they read and their lines.

    %b = stablehlo.add %a, %w0 : tensor<4xf32>
    %d = stablehlo.add %c, %w1 : tensor<4xf32>

The keys look at attributes and types, which MLIR keeps once each, so they are cheap. Constants are
only like themselves.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator

from jaxlib.mlir import ir

from neuronc.frontend.mlir import operations

CONSTANT = "stablehlo.constant"

Numbers = dict[ir.Value, int]


def likeness(op: ir.Operation) -> Hashable:
    """Equal for operations that are alike, with their regions."""
    if op.name == CONSTANT:
        return op.results[0]
    if not len(op.regions):
        return _head(op)
    return _head(op), tuple(_regions(op, {}))


def captured(op: ir.Operation) -> list[ir.Value]:
    """Values from outside that the regions of an operation use, each as often as they do."""
    inner = operations(op)
    made: set[ir.Value] = {value for o in inner for value in o.results}
    made.update(v for o in (op, *inner) for r in o.regions for b in r.blocks for v in b.arguments)
    return [value for o in inner for value in o.operands if value not in made]


def _head(op: ir.Operation) -> Hashable:
    return op.name, tuple(op.attributes.items()), tuple([result.type for result in op.results])


def _regions(op: ir.Operation, numbers: Numbers) -> Iterator[Hashable]:
    """The blocks in the regions of an operation, with values by number."""
    for region in op.regions:
        for block in region.blocks:
            yield tuple([_numbered(v, numbers) for v in block.arguments])
            for inner in block.operations:
                yield from _inner(inner.operation, numbers)


def _inner(op: ir.Operation, numbers: Numbers) -> Iterator[Hashable]:
    # The bindings fail on the payload of complex constants.
    yield op.get_asm(enable_debug_info=False) if op.name == CONSTANT else _head(op)
    yield tuple([numbers.get(value, -1) for value in op.operands])
    for result in op.results:
        _numbered(result, numbers)
    yield from _regions(op, numbers)


def _numbered(value: ir.Value, numbers: Numbers) -> ir.Type:
    numbers[value] = len(numbers)
    return value.type
