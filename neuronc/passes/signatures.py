"""Hashable descriptions of ops and blocks that ignore names and source lines.

Attributes and types stand as numbers, equal ones as the same; most are the same object wherever
they occur, so that their contents are seldom hashed.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from operator import itemgetter

from xdsl.ir import Attribute, Block, Operation, SSAValue


@dataclass
class Signatures:
    """Describes what belongs to one module: equal descriptions, equal ops."""

    by_identity: dict[int, tuple[Attribute, int]] = field(
        default_factory=dict[int, tuple[Attribute, int]]
    )
    by_value: dict[Attribute, int] = field(default_factory=dict[Attribute, int])

    def number(self, attribute: Attribute) -> int:
        """The number of an attribute; the entry keeps it alive, so its identity stays its own."""
        found = self.by_identity.get(id(attribute))
        if found is None:
            found = (attribute, self.by_value.setdefault(attribute, len(self.by_value)))
            self.by_identity[id(attribute)] = found
        return found[1]

    def of(self, block: Block, names: dict[SSAValue, int]) -> Hashable:
        """Describe a block, numbering its values in order; a value from outside is -1."""
        for argument in block.args:
            names[argument] = len(names)
        types = tuple(self.number(a.type) for a in block.args)
        return types, tuple(self._describe(op, names) for op in block.ops)

    def alone(self, op: Operation) -> Hashable:
        """Describe an op and its regions, but not what it reads."""
        number = self.number
        regions = tuple(self.of(b, {}) for region in op.regions for b in region.blocks)
        return op.name, self._attributes(op), tuple([number(r.type) for r in op.results]), regions

    def _attributes(self, op: Operation) -> Hashable:
        given = sorted(op.attributes.items(), key=itemgetter(0))
        return tuple([(name, self.number(value)) for name, value in given if name != "loc"])

    def _describe(self, op: Operation, names: dict[SSAValue, int]) -> Hashable:
        operands = tuple(names.get(v, -1) for v in op.operands)
        regions = tuple(self.of(b, names) for region in op.regions for b in region.blocks)
        for result in op.results:
            names[result] = len(names)
        types = tuple(self.number(r.type) for r in op.results)
        return op.name, operands, self._attributes(op), types, regions
