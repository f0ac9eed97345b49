"""Calls of kernels, numbered as they come; a copy of a buffer is a call too.

x, y = y, x                           at the end of a loop's body
becomes
spare = x;  x = y;  y = spare         three calls of one kernel, made for that size
"""

from __future__ import annotations

from math import prod

from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.ir import Block, Operation, Region, SSAValue

from neuronc.backend.places import Places
from neuronc.backend.steps import Run
from neuronc.backend.storage import Storage
from neuronc.dialects.program import KernelOp, MaterializeOp, YieldOp
from neuronc.dialects.types import tensor


class Calls:
    """Makes the calls of one program; adds the kernels that copy to its module."""

    def __init__(self, module: ModuleOp, places: Places) -> None:
        self._module, self._places = module, places
        self._numbers: dict[str, int] = {}

    @property
    def kernels(self) -> tuple[str, ...]:
        """Symbols of what was called, in the order that calls number them."""
        return tuple(self._numbers)

    def call(self, name: str, storages: tuple[Storage, ...]) -> Run:
        """Call a kernel on its inputs, then its outputs."""
        return Run(self._numbers.setdefault(name, len(self._numbers)), storages)

    def copy(self, source: Storage, target: Storage) -> Run:
        """Copy one buffer to another."""
        name = f"copy_{source.element.name}_{prod(source.shape)}"
        if name not in self._numbers:
            self._module.body.block.add_op(_copy_kernel(name, source))
        return self.call(name, (source, target))

    def move(self, values: list[SSAValue], targets: list[Storage], op: Operation) -> list[Run]:
        """Move values into place at the end of a block; swaps go through temporaries."""
        moves = [(self._places.read(v, op), t) for v, t in zip(values, targets, strict=True)]
        moves = [(s, t) for s, t in moves if s is not t and s.bytes]
        overwritten = {t for _, t in moves}
        steps: list[Run] = []
        staged: list[tuple[Storage, Storage]] = []
        for source, target in moves:
            self._places.touch(target, op)
            if source in overwritten:
                spare = self._places.spare(source, op)
                steps.append(self.copy(source, spare))
                source = spare
            staged.append((source, target))
        return steps + [self.copy(s, t) for s, t in staged]


def _copy_kernel(name: str, like: Storage) -> KernelOp:
    kind = tensor((prod(like.shape),), like.element)
    block = Block(arg_types=[kind])
    copy = MaterializeOp.create(operands=block.args, result_types=[kind])
    block.add_ops([copy, YieldOp.create(operands=copy.results)])
    attributes = {"sym_name": StringAttr(name), "kind": StringAttr("move")}
    return KernelOp.create(attributes=attributes, regions=[Region(block)])
