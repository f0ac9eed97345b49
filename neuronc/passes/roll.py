"""Turn repeated layers into calls of one function, so that the passes see each layer once.

    %a = dot %x, %w0;  %b = tanh %a;  %c = dot %b, %w1;  %d = tanh %c;  %e = dot %d, %w2;  ..
  becomes
    func.func private @layer_0(%x, %w) { %a = dot %x, %w;  %b = tanh %a;  return %b }
    %b = call @layer_0(%x, %w0);  %d = call @layer_0(%b, %w1);  %f = call @layer_0(%d, %w2)

Found by structure, forward, backward and inside loops: the ops, their attributes, types and how
they read each other are the same, while weights, saved activations and what is carried on are
arguments. A layer hands out whatever something outside reads. Where the network has fewer than
three equal layers nothing changes. `unroll` undoes this once there are only calls of kernels.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field

from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import FunctionType, ModuleOp
from xdsl.ir import Block, Operation, Region, SSAValue
from xdsl.passes import ModulePass

from neuronc.passes.classify import CONTROL
from neuronc.passes.layers import Layers, Ordered, layers_of, ordered, result_index, wiring
from neuronc.passes.reads import Reader, Step

Output = tuple[int, int]
"""A step of a layer, and which of its results."""


@dataclass(frozen=True)
class Roll(ModulePass):
    """Repeated ops to calls of functions."""

    name = "roll"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Roll every function, and the control flow inside."""
        roller = _Roller(op)
        for function in list(op.body.block.ops):
            if isinstance(function, func.FuncOp):
                roller.region(function.body)


def is_layer(function: func.FuncOp) -> bool:
    """Whether a function is a layer that calls share."""
    visibility = function.sym_visibility
    return visibility is not None and visibility.data == "private"


@dataclass
class _Roller:
    module: ModuleOp
    reader: Reader = field(default_factory=Reader)
    made: dict[Hashable, str] = field(default_factory=dict[Hashable, str])

    def region(self, region: Region) -> None:
        """Roll the regions inside, then the block itself."""
        for op in region.block.ops:
            if isinstance(op, CONTROL):
                for inner in op.regions:
                    self.region(inner)
        block = ordered(self.reader.steps(region.block))
        found = layers_of(block)
        if found:
            old = region.block
            region.add_block(_rewrite(self, old, block, found))
            region.detach_block(old)
            old.erase(safe_erase=False)

    def function(self, block: Ordered, layers: Layers, outputs: Sequence[Output]) -> str:
        """The symbol of the function that is the layers' first, made once for all alike."""
        steps = block.steps[layers.start : layers.start + layers.period]
        key = tuple(step.kind for step in steps), layers.wiring, tuple(outputs)
        if key not in self.made:
            self.made[key] = f"layer_{len(self.made)}"
            outside = wiring(block, layers.start, layers.start + layers.period)[1]
            body = _body(steps, outside, outputs)
            types = [a.type for a in body.args], [v.type for v in _last(body).operands]
            signature = FunctionType.from_lists(*types)
            made = func.FuncOp(self.made[key], signature, Region(body), "private")
            self.module.body.block.add_op(made)
        return self.made[key]


@dataclass
class _Copier:
    """Copies ops to the end of a block, each with the views, iotas and constants it reads."""

    block: Block
    known: dict[SSAValue, SSAValue]

    def bring(self, value: SSAValue) -> SSAValue:
        """The value in the new block."""
        if value not in self.known:
            op = value.owner
            if isinstance(op, Block):
                return value
            for operand in op.operands:
                self.bring(operand)
            self.block.add_op(op.clone(self.known))
        return self.known[value]

    def copy(self, op: Operation, read: Iterable[SSAValue]) -> None:
        """Copy one op."""
        for value in read:
            self.bring(value)
        self.block.add_op(op.clone(self.known))


def _body(steps: Sequence[Step], outside: Sequence[SSAValue], outputs: Sequence[Output]) -> Block:
    block = Block(arg_types=[v.type for v in outside])
    copier = _Copier(block, dict(zip(outside, block.args, strict=True)))
    for step in steps:
        copier.copy(step.op, (read.value for read in step.reads))
    results = [copier.known[steps[at].op.results[index]] for at, index in outputs]
    block.add_op(func.ReturnOp(*results))
    return block


def _rewrite(roller: _Roller, old: Block, block: Ordered, found: Sequence[Layers]) -> Block:
    """The block with calls in the place of its layers."""
    new = Block(arg_types=[a.type for a in old.args])
    copier = _Copier(new, dict(zip(old.args, new.args, strict=True)))
    at = 0
    for layers, outputs in zip(found, _outputs(roller.reader, old, block, found), strict=True):
        for step in block.steps[at : layers.start]:
            copier.copy(step.op, (read.value for read in step.reads))
        name = roller.function(block, layers, outputs)
        for start in range(layers.start, layers.stop, layers.period):
            _call(copier, block, range(start, start + layers.period), name, outputs)
        at = layers.stop
    for step in block.steps[at:]:
        copier.copy(step.op, (read.value for read in step.reads))
    end = _last(old)
    copier.copy(end, (read.value for read in roller.reader.reads(end)))
    return new


def _call(
    copier: _Copier, block: Ordered, places: range, name: str, outputs: Sequence[Output]
) -> None:
    outside = wiring(block, places.start, places.stop)[1]
    results = [block.steps[places.start + at].op.results[index] for at, index in outputs]
    call = func.CallOp(name, [copier.bring(v) for v in outside], [v.type for v in results])
    copier.block.add_op(call)
    copier.known.update(zip(results, call.results, strict=True))


def _outputs(
    reader: Reader, old: Block, block: Ordered, found: Sequence[Layers]
) -> list[list[Output]]:
    """Of each function, the results that something outside one of its layers reads."""
    owner: dict[int, tuple[int, int]] = {}
    for number, layers in enumerate(found):
        for at in range(layers.start, layers.stop):
            owner[at] = number, (at - layers.start) // layers.period
    used: list[set[Output]] = [set() for _ in found]
    readers = [(step.reads, owner.get(at)) for at, step in enumerate(block.steps)]
    for reads, here in [*readers, (reader.reads(_last(old)), None)]:
        for root in {read.root for read in reads if read.root is not None}:
            layer = owner.get(block.place.get(root, -1))
            if layer is not None and layer != here:
                start, period = found[layer[0]].start, found[layer[0]].period
                at = (block.place[root] - start) % period
                used[layer[0]].add((at, result_index(root)))
    return [sorted(outputs) for outputs in used]


def _last(block: Block) -> Operation:
    last = block.last_op
    assert last is not None
    return last
