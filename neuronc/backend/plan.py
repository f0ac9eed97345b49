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
from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp
from xdsl.ir import Block, Operation, SSAValue

from neuronc.artifact.model import Buffer, BufferKind, Step
from neuronc.backend.calls import Calls
from neuronc.backend.overwrite import Overwrites
from neuronc.backend.places import Places
from neuronc.backend.reuse import Reuse, is_captured
from neuronc.backend.signature import signature
from neuronc.backend.steps import Branch, Loop, Planned, numbered
from neuronc.backend.storage import Storage
from neuronc.dialects.program import CallOp
from neuronc.dialects.stablehlo.constant import ConstantOp
from neuronc.dialects.stablehlo.control import CaseOp, IfOp, WhileOp
from neuronc.dialects.stablehlo.movement import ReshapeOp
from neuronc.dialects.stablehlo.weight import Handle
from neuronc.dialects.tile import integer_in
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


class _Planner:
    """Walks a program once, with the places of what is computed so far."""

    def __init__(self, module: ModuleOp, main: FuncOp, reuse: Reuse) -> None:
        self._main, self._reuse = main, reuse
        self._places = Places(reuse)
        self._calls = Calls(module, self._places)

    def run(self) -> Plan:
        """Plan all steps; then temporaries get their offsets, and storages their numbers."""
        block = self._main.body.block
        for i, argument in enumerate(block.args):
            self._places.put(argument, self._places.make(BufferKind.INPUT, i, argument))
        steps = self._filled(block, self._outputs(block))
        buffers, size = self._places.buffers()
        planned = tuple(numbered(step) for step in steps)
        return Plan(planned, buffers, size, self._calls.kernels, tuple(self._places.constants))

    def _outputs(self, block: Block) -> list[Storage]:
        """Where the results go: each to the donated argument's memory, or to its own."""
        values = list(_end(block).operands)
        donors = self._donors(values, block)
        places = self._places
        outputs = [
            places.at(donors[i]) if i in donors else places.make(BufferKind.OUTPUT, i, value)
            for i, value in enumerate(values)
        ]
        for value, output in zip(values, outputs, strict=True):
            self._places.want(value, output, block)
        return outputs

    def _donors(self, values: Sequence[SSAValue], block: Block) -> dict[int, SSAValue]:
        """By output: the donated argument in whose memory it can be computed."""
        donors: dict[int, SSAValue] = {}
        inputs, outputs = signature(self._main)
        for info, argument in zip(inputs, block.args, strict=True):
            number = info.donated
            if number < 0 or number in donors:
                continue
            same = (info.shape, info.dtype) == (outputs[number].shape, outputs[number].dtype)
            if same and self._reuse.may_overwrite(argument, values[number], block):
                donors[number] = argument
        return donors

    def _filled(self, block: Block, targets: list[Storage]) -> list[Planned]:
        """The steps of a block, after which its results are in `targets`."""
        end = _end(block)
        return [*self._block(block), *self._calls.move(list(end.operands), targets, end)]

    def _block(self, block: Block) -> list[Planned]:
        steps: list[Planned] = []
        for op in block.ops:
            match op:
                case ReshapeOp():
                    self._places.put(op.results[0], self._places.read(op.operands[0], op))
                case ConstantOp():
                    self._places.put(op.results[0], self._places.constant(op))
                case CallOp():
                    steps += self._call(op)
                case WhileOp():
                    steps += self._while(op)
                case IfOp() | CaseOp():
                    steps.append(self._case(op))
                case _:
                    pass
        return steps

    def _call(self, op: CallOp) -> list[Planned]:
        steps: list[Planned] = []
        inputs = [self._places.read(v, op) for v in op.operands]
        outputs: list[Storage] = []
        for i, result in enumerate(op.results):
            if i == 0 and self._reuse.is_tied(op):
                target, copied = self._in_place(op, inputs[0])
                inputs[0] = target
                steps += copied
            else:
                target = self._places.target(result, op)
            self._places.put(result, target)
            outputs.append(target)
        return [*steps, self._calls.call(callee_of(op), (*inputs, *outputs))]

    def _in_place(self, op: CallOp, source: Storage) -> tuple[Storage, list[Planned]]:
        """The buffer that a tied kernel updates: its operand's, or a copy of it."""
        wanted = self._places.wanted(op.results[0])
        free = self._places.is_free_after(op.operands[0], op)
        if wanted is source or (wanted is None and free):
            return source, []
        target = self._places.target(op.results[0], op)
        return target, [self._calls.copy(source, target)]

    def _while(self, op: WhileOp) -> list[Planned]:
        condition, body = (region.block for region in op.regions)
        carries, steps = self._carries(op)
        for block in (condition, body):
            for argument, carry in zip(block.args, carries, strict=True):
                self._places.put(argument, carry)
        tests, end = self._block(condition), _end(condition)
        predicate = self._places.read(end.operands[0], end)
        trips = integer_in(op.attributes[TRIPS]) if TRIPS in op.attributes else None
        for argument, value, carry in zip(body.args, _end(body).operands, carries, strict=True):
            if self._reuse.may_overwrite(argument, value, body):
                self._places.want(value, carry, body)
        return [*steps, Loop(tests, predicate, self._filled(body, carries), trips)]

    def _carries(self, op: WhileOp) -> tuple[list[Storage], list[Planned]]:
        """Where each variable of a loop is, and the copies that bring its start there."""
        carries: list[Storage] = []
        moves: list[tuple[Storage, Storage]] = []
        asked = [self._places.wanted(r) for r in op.results]
        for value, result in zip(op.operands, op.results, strict=True):
            source = self._places.read(value, op)
            free = self._places.is_free_after(value, op) and not is_captured(value, op)
            if self._places.wanted(result) is None and free and source not in (*carries, *asked):
                self._places.put(result, source)
            else:
                self._places.put(result, self._places.target(result, op))
            carry = self._places.at(result)
            carries.append(carry)
            if source is not carry and source.bytes:
                moves.append((source, carry))
        return carries, [self._calls.copy(s, c) for s, c in moves]

    def _case(self, op: Operation) -> Planned:
        index = self._places.read(op.operands[0], op)
        targets = [self._places.target(r, op) for r in op.results]
        for result, target in zip(op.results, targets, strict=True):
            self._places.put(result, target)
        branches = [self._branch(region.block, targets) for region in op.regions]
        # An if's first region is for true; as a number, true is 1.
        return Branch(index, branches[::-1] if isinstance(op, IfOp) else branches)

    def _branch(self, block: Block, targets: list[Storage]) -> list[Planned]:
        for value, target in zip(_end(block).operands, targets, strict=True):
            self._places.want(value, target, block)
        return self._filled(block, targets)


def _end(block: Block) -> Operation:
    end = block.last_op
    assert end is not None
    return end
