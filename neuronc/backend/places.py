"""Which storage holds each value while a program is planned, and how long it is in use.

    %h = tanh %x;  %y = tanh %h;  return %y
  becomes
    %x: input 0;  %h: a temporary, alive from its op to the next;  %y: output 0, as was asked for

What a value becomes later asks for it first (`want`): then it is computed right there.
"""

from __future__ import annotations

from xdsl.ir import Block, Operation, SSAValue

from neuronc.artifact.model import Buffer, BufferKind
from neuronc.backend.lifetime import root
from neuronc.backend.reuse import Reuse
from neuronc.backend.storage import Storage, arrange
from neuronc.dialects.stablehlo.constant import ConstantOp
from neuronc.dialects.stablehlo.weight import Handle
from neuronc.dialects.types import element_type, shape_of


class Places:
    """The storages of one program, by value."""

    def __init__(self, reuse: Reuse) -> None:
        self._reuse = reuse
        self._storages: list[Storage] = []
        self._of: dict[SSAValue, Storage] = {}
        self._wanted: dict[SSAValue, Storage] = {}
        self.constants: dict[Handle, Storage] = {}

    def make(self, kind: BufferKind, index: int, value: SSAValue) -> Storage:
        """Storage from the start to the end of the program, of an input, output or constant."""
        return self._add(Storage(kind, index, shape_of(value), element_type(value)))

    def temporary(self, value: SSAValue, op: Operation) -> Storage:
        """Storage that `op` makes for a value."""
        made = Storage(BufferKind.TEMPORARY, 0, shape_of(value), element_type(value), op.parent)
        return self._during(op, made)

    def spare(self, like: Storage, op: Operation) -> Storage:
        """Storage that `op` makes to set another's value aside."""
        made = Storage(BufferKind.TEMPORARY, 0, like.shape, like.element, op.parent)
        return self._during(op, made)

    def constant(self, op: ConstantOp) -> Storage:
        """The storage of a constant, which all that are equal share."""
        handle = op.value.data
        if handle not in self.constants:
            made = self.make(BufferKind.CONSTANT, len(self.constants), op.results[0])
            self.constants[handle] = made
        return self.constants[handle]

    def put(self, value: SSAValue, storage: Storage) -> None:
        """Say where a value is."""
        self._of[value] = storage

    def at(self, value: SSAValue) -> Storage:
        """Where a value is."""
        return self._of[value]

    def want(self, value: SSAValue, target: Storage, block: Block) -> None:
        """Ask for `value` to be computed into `target`, back through updates in place."""
        base = root(value)
        op = base.owner
        if not isinstance(op, Operation) or op.parent is not block or base in self._wanted:
            return
        self._wanted[base] = target
        before = self._reuse.continued(base)
        if before is not None:
            self.want(before, target, block)

    def wanted(self, value: SSAValue) -> Storage | None:
        """What was asked for a value, if anything."""
        return self._wanted.get(value)

    def read(self, value: SSAValue, op: Operation) -> Storage:
        """The storage of an operand, kept alive until `op`."""
        found = self._of[value]
        self.touch(found, op)
        return found

    def target(self, value: SSAValue, op: Operation) -> Storage:
        """Where a result goes: what was asked for it, or a new temporary."""
        target = self._wanted.get(value) or self.temporary(value, op)
        self.touch(target, op)
        return target

    def touch(self, storage: Storage, op: Operation) -> None:
        """Have a storage in use during `op`, or the op around it in the block that made it."""
        span = self._reuse.span
        start, stop = span[op]
        while storage.block is not None and op.parent is not storage.block:
            parent = op.parent_op()
            assert parent is not None
            op = parent
            start, stop = span[op]
        storage.first, storage.last = min(storage.first, start), max(storage.last, stop)

    def is_free_after(self, value: SSAValue, op: Operation) -> bool:
        """Whether `op` may write where its operand is: a temporary of its block, read no more."""
        storage = self._of[value]
        mine = storage.kind is BufferKind.TEMPORARY and storage.block is op.parent
        return mine and self._reuse.dies_at(value, op)

    def buffers(self) -> tuple[tuple[Buffer, ...], int]:
        """Number all storages and arrange the temporaries; the buffers, and the arena's bytes."""
        size = arrange([s for s in self._storages if s.kind is BufferKind.TEMPORARY])
        for number, s in enumerate(self._storages):
            s.number = number
        buffers = tuple(
            Buffer(s.kind, s.index, s.offset, s.bytes, s.element.name, s.shape)
            for s in self._storages
        )
        return buffers, size

    def _during(self, op: Operation, made: Storage) -> Storage:
        made.first, made.last = self._reuse.span[op]
        return self._add(made)

    def _add(self, made: Storage) -> Storage:
        self._storages.append(made)
        return made
