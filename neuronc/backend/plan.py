"""Plan the program: which HBM bytes hold each value, and the steps that compute them.

    %b = program.call @map_0(%a);  return %b
  becomes
    Call(map_0, (input 0, output 0))

A value is computed straight into the output, loop variable or branch result that it becomes,
where nothing still reads what is there, or its kernel writes each byte after it has read it
(`overwrite`); kernels that update in place get their operand's buffer
where it is dead, and a copy of it where it is not. A result that may take a donated argument's
memory does, where it can be computed there; else it has its own. Temporaries share one arena by
live range.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod

from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.dialects.func import FuncOp
from xdsl.ir import Block, Operation, Region, SSAValue

from neuronc.artifact.model import Buffer, BufferKind, Step
from neuronc.backend.lifetime import root
from neuronc.backend.overwrite import Overwrites
from neuronc.backend.reuse import Reuse, is_captured
from neuronc.backend.signature import signature
from neuronc.backend.steps import Branch, Loop, Planned, Run, numbered
from neuronc.backend.storage import Storage, arrange
from neuronc.dialects.program import CallOp, KernelOp, MaterializeOp, YieldOp
from neuronc.dialects.stablehlo.constant import ConstantOp
from neuronc.dialects.stablehlo.control import CaseOp, IfOp, WhileOp
from neuronc.dialects.stablehlo.movement import ReshapeOp
from neuronc.dialects.stablehlo.weight import Handle
from neuronc.dialects.tile import integer_in
from neuronc.dialects.types import element_type, shape_of, tensor
from neuronc.hardware import Generation
from neuronc.passes.cluster import callee_of
from neuronc.passes.count_trips import TRIPS
from neuronc.passes.tiled import Tiled


@dataclass(frozen=True)
class Plan:
    """The program over numbered kernels and buffers."""

    steps: tuple[Step, ...]
    buffers: tuple[Buffer, ...]
    temporary_bytes: int
    kernels: tuple[str, ...]
    """Symbols, in the order that calls number them."""
    constants: tuple[Handle, ...]


def plan(module: ModuleOp, hw: Generation, tiled: Tiled) -> Plan:
    """Plan `@main`, adding the copy kernels it needs to the module."""
    main = next(op for op in module.body.block.ops if isinstance(op, FuncOp))
    return _Planner(module, main, Reuse(module, main, Overwrites(hw, tiled))).run()


@dataclass
class _Planner:
    module: ModuleOp
    main: FuncOp
    reuse: Reuse
    storage: dict[SSAValue, Storage] = field(default_factory=dict[SSAValue, Storage])
    wanted: dict[SSAValue, Storage] = field(default_factory=dict[SSAValue, Storage])
    storages: list[Storage] = field(default_factory=list[Storage])
    kernels: dict[str, int] = field(default_factory=dict[str, int])
    constants: dict[Handle, Storage] = field(default_factory=dict[Handle, Storage])

    def run(self) -> Plan:
        """Walk the program once; then give temporaries their offsets."""
        block = self.main.body.block
        for i, argument in enumerate(block.args):
            self.storage[argument] = self._make(BufferKind.INPUT, i, argument)
        last = block.last_op
        assert last is not None
        donors = self._donors(list(last.operands), block)
        outputs = [
            self.storage[donors[i]] if i in donors else self._make(BufferKind.OUTPUT, i, v)
            for i, v in enumerate(last.operands)
        ]
        for value, output in zip(last.operands, outputs, strict=True):
            self._want(value, output, block)
        steps = self._block(block)
        steps += self._copies(list(last.operands), outputs, last)
        size = arrange([s for s in self.storages if s.kind is BufferKind.TEMPORARY])
        for number, s in enumerate(self.storages):
            s.number = number
        buffers = tuple(
            Buffer(s.kind, s.index, s.offset, s.bytes, s.element.name, s.shape)
            for s in self.storages
        )
        return Plan(
            tuple(numbered(step) for step in steps),
            buffers,
            size,
            tuple(self.kernels),
            tuple(self.constants),
        )

    def _donors(self, values: Sequence[SSAValue], block: Block) -> dict[int, SSAValue]:
        """By output: the donated argument in whose memory it can be computed."""
        donors: dict[int, SSAValue] = {}
        inputs, outputs = signature(self.main)
        for info, argument in zip(inputs, block.args, strict=True):
            number = info.donated
            if number < 0 or number in donors:
                continue
            same = (info.shape, info.dtype) == (outputs[number].shape, outputs[number].dtype)
            if same and self.reuse.may_overwrite(argument, values[number], block):
                donors[number] = argument
        return donors

    def _make(
        self, kind: BufferKind, index: int, value: SSAValue, op: Operation | None = None
    ) -> Storage:
        block = op.parent if op is not None else None
        made = Storage(kind, index, shape_of(value), element_type(value), block)
        if op is not None:
            made.first, made.last = self.reuse.span[op]
        self.storages.append(made)
        return made

    def _temporary(self, value: SSAValue, op: Operation) -> Storage:
        return self._make(BufferKind.TEMPORARY, 0, value, op)

    def _want(self, value: SSAValue, target: Storage, block: Block) -> None:
        """Ask for `value` to be computed into `target`, back through updates in place."""
        base = root(value)
        op = base.owner
        if not isinstance(op, Operation) or op.parent is not block or base in self.wanted:
            return
        self.wanted[base] = target
        before = self.reuse.continued(base)
        if before is not None:
            self._want(before, target, block)

    def _block(self, block: Block) -> list[Planned]:
        steps: list[Planned] = []
        for op in block.ops:
            match op:
                case ReshapeOp():
                    self.storage[op.results[0]] = self._read(op.operands[0], op)
                case ConstantOp():
                    self.storage[op.results[0]] = self._constant(op)
                case CallOp():
                    steps += self._call(op)
                case WhileOp():
                    steps += self._while(op)
                case IfOp() | CaseOp():
                    steps += self._case(op)
                case _:
                    pass
        return steps

    def _constant(self, op: ConstantOp) -> Storage:
        handle = op.value.data
        if handle not in self.constants:
            made = self._make(BufferKind.CONSTANT, len(self.constants), op.results[0])
            self.constants[handle] = made
        return self.constants[handle]

    def _read(self, value: SSAValue, op: Operation) -> Storage:
        """The storage of an operand, kept alive until `op`."""
        found = self.storage[value]
        self._touch(found, op)
        return found

    def _touch(self, storage: Storage, op: Operation) -> None:
        start, stop = self.reuse.span[op]
        while storage.block is not None and op.parent is not storage.block:
            parent = op.parent_op()
            assert parent is not None
            op = parent
            start, stop = self.reuse.span[op]
        storage.first, storage.last = min(storage.first, start), max(storage.last, stop)

    def _target(self, value: SSAValue, op: Operation) -> Storage:
        """Where a result goes: what was asked for it, or a new temporary."""
        target = self.wanted.get(value) or self._temporary(value, op)
        self._touch(target, op)
        return target

    def _call(self, op: CallOp) -> list[Planned]:
        steps: list[Planned] = []
        inputs = [self._read(v, op) for v in op.operands]
        outputs: list[Storage] = []
        for i, result in enumerate(op.results):
            if i == 0 and self.reuse.is_tied(op):
                target, copied = self._in_place(op, inputs[0])
                inputs[0] = target
                steps += copied
            else:
                target = self._target(result, op)
            self.storage[result] = target
            outputs.append(target)
        steps.append(Run(self._kernel(callee_of(op)), (*inputs, *outputs)))
        return steps

    def _in_place(self, op: CallOp, source: Storage) -> tuple[Storage, list[Planned]]:
        """The buffer that a tied kernel updates: its operand's, or a copy of it."""
        wanted = self.wanted.get(op.results[0])
        mine = source.kind is BufferKind.TEMPORARY and source.block is op.parent
        dead = self.reuse.dies_at(op.operands[0], op)
        if wanted is source or (wanted is None and mine and dead):
            return source, []
        target = self._target(op.results[0], op)
        return target, [self._copy(source, target)]

    def _copy(self, source: Storage, target: Storage) -> Planned:
        name = f"copy_{source.element.name}_{prod(source.shape)}"
        if name not in self.kernels:
            self.module.body.block.add_op(_copy_kernel(name, source))
        return Run(self._kernel(name), (source, target))

    def _copies(
        self, values: list[SSAValue], targets: list[Storage], op: Operation
    ) -> list[Planned]:
        """Move values into place at the end of a block; swaps go through temporaries."""
        moves = [(self._read(v, op), t) for v, t in zip(values, targets, strict=True)]
        moves = [(s, t) for s, t in moves if s is not t and s.bytes]
        overwritten = {t for _, t in moves}
        steps: list[Planned] = []
        staged: list[tuple[Storage, Storage]] = []
        for source, target in moves:
            self._touch(target, op)
            if source in overwritten:
                spare = self._spare(source, op)
                steps.append(self._copy(source, spare))
                source = spare
            staged.append((source, target))
        return steps + [self._copy(s, t) for s, t in staged]

    def _spare(self, like: Storage, op: Operation) -> Storage:
        made = Storage(BufferKind.TEMPORARY, 0, like.shape, like.element, op.parent)
        made.first, made.last = self.reuse.span[op]
        self.storages.append(made)
        return made

    def _kernel(self, name: str) -> int:
        return self.kernels.setdefault(name, len(self.kernels))

    def _while(self, op: WhileOp) -> list[Planned]:
        condition, body = (region.block for region in op.regions)
        carries: list[Storage] = []
        starts: list[Storage] = []
        asked = [self.wanted[r] for r in op.results if r in self.wanted]
        for value, result in zip(op.operands, op.results, strict=True):
            source = self._read(value, op)
            mine = source.kind is BufferKind.TEMPORARY and source.block is op.parent
            dead = self.reuse.dies_at(value, op) and not is_captured(value, op)
            reuse = mine and dead and source not in (*carries, *asked)
            carry = self.wanted.get(result) or (source if reuse else self._temporary(result, op))
            self._touch(carry, op)
            carries.append(carry)
            starts.append(source)
            self.storage[result] = carry
        moves = [(s, c) for s, c in zip(starts, carries, strict=True) if s is not c and s.bytes]
        steps = [self._copy(s, c) for s, c in moves]
        for block in (condition, body):
            for argument, carry in zip(block.args, carries, strict=True):
                self.storage[argument] = carry
        tests = self._block(condition)
        end = condition.last_op
        assert end is not None
        predicate = self._read(end.operands[0], end)
        trips = integer_in(op.attributes[TRIPS]) if TRIPS in op.attributes else None
        return [*steps, Loop(tests, predicate, self._loop_body(body, carries), trips)]

    def _loop_body(self, body: Block, carries: list[Storage]) -> list[Planned]:
        end = body.last_op
        assert end is not None
        for argument, value, carry in zip(body.args, end.operands, carries, strict=True):
            if self.reuse.may_overwrite(argument, value, body):
                self._want(value, carry, body)
        steps = self._block(body)
        return steps + self._copies(list(end.operands), carries, end)

    def _case(self, op: Operation) -> list[Planned]:
        index = self._read(op.operands[0], op)
        targets = [self._target(r, op) for r in op.results]
        for result, target in zip(op.results, targets, strict=True):
            self.storage[result] = target
        branches: list[list[Planned]] = []
        for region in op.regions:
            block = region.block
            end = block.last_op
            assert end is not None
            for value, target in zip(end.operands, targets, strict=True):
                self._want(value, target, block)
            steps = self._block(block)
            branches.append(steps + self._copies(list(end.operands), targets, end))
        # An if's first region is for true; as a number, true is 1.
        return [Branch(index, branches[::-1] if isinstance(op, IfOp) else branches)]


def _copy_kernel(name: str, like: Storage) -> KernelOp:
    kind = tensor((prod(like.shape),), like.element)
    block = Block(arg_types=[kind])
    copy = MaterializeOp.create(operands=block.args, result_types=[kind])
    block.add_ops([copy, YieldOp.create(operands=copy.results)])
    attributes = {"sym_name": StringAttr(name), "kind": StringAttr("move")}
    return KernelOp.create(attributes=attributes, regions=[Region(block)])
