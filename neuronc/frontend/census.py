"""Which operations and types a module has: what is not there needs no rewriting.

A network of many layers has few kinds of either, and one look at each operation tells them all.
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxlib.mlir import ir

from neuronc.frontend.mlir import operations


@dataclass(frozen=True)
class Census:
    """The kinds in a module, as it was when they were counted."""

    names: frozenset[str]
    types: frozenset[ir.Type]
    """Of results, and of the arguments of regions."""

    def has(self, *names: str) -> bool:
        """Whether there is an operation of one of these names, or dialects such as `sdy.`."""
        return any(name.startswith(names) for name in self.names)


def census(module: ir.Module) -> Census:
    """Look at every operation once."""
    names: set[str] = set()
    types: set[ir.Type] = set()
    for op in operations(module.operation):
        names.add(op.name)
        types.update([result.type for result in op.results])
        for region in op.regions:
            for block in region.blocks:
                types.update([argument.type for argument in block.arguments])
    return Census(frozenset(names), frozenset(types))
