"""Layers to functions: plan which steps of a block become calls, and write the block with them.

Nothing here knows the IR that the layers are in (`steps.Origin`): `roll` finds them in a module of
the stablehlo dialect, `neuronc.rolled` in MLIR's, before all but the first are ever converted.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Generic

from xdsl.dialects import func
from xdsl.dialects.builtin import FunctionType, ModuleOp
from xdsl.ir import Block, Region, SSAValue

from neuronc.passes.layers import Layers, Ordered, layers_of, ordered, wiring
from neuronc.passes.steps import Body, Copier, O, Origin, Step, V

Output = tuple[int, int]
"""A step of a layer, and which of its results."""


@dataclass(frozen=True)
class Plan(Generic[O, V]):
    """A block's steps, and which runs of them are calls of which function."""

    block: Ordered[O, V]
    layers: Sequence[Layers]
    outputs: Sequence[Sequence[Output]]
    """Of each function, the results that something outside one of its layers reads."""
    names: Sequence[str]


@dataclass
class Roller(Generic[O, V]):
    """Finds layers, and adds their functions to a module."""

    module: ModuleOp
    origin: Origin[O, V]
    made: dict[Hashable, str] = field(default_factory=dict[Hashable, str])

    def plan(self, body: Body[O, V]) -> Plan[O, V] | None:
        """Make the functions of a block's layers; None where there are none."""
        block = ordered(body.steps)
        found = layers_of(block)
        if not found:
            return None
        outputs = _outputs(body, block, found)
        pairs = zip(found, outputs, strict=True)
        return Plan(block, found, outputs, [self._function(block, *pair) for pair in pairs])

    def write(self, plan: Plan[O, V], copier: Copier[O, V]) -> None:
        """Copy the block but its end, with calls in the place of its layers."""
        steps, at = plan.block.steps, 0
        for layers, outputs, name in zip(plan.layers, plan.outputs, plan.names, strict=True):
            _copy(copier, steps[at : layers.start])
            for start in range(layers.start, layers.stop, layers.period):
                _call(copier, plan.block, range(start, start + layers.period), name, outputs)
            at = layers.stop
        _copy(copier, steps[at:])

    def _function(self, block: Ordered[O, V], layers: Layers, outputs: Sequence[Output]) -> str:
        """The symbol of the function that is the layers' first, made once for all alike."""
        steps = block.steps[layers.start : layers.start + layers.period]
        key = tuple(step.kind for step in steps), layers.wiring, tuple(outputs)
        if key not in self.made:
            self.made[key] = f"layer_{len(self.made)}"
            outside = wiring(block, layers.start, layers.start + layers.period)[1]
            body = self._body(steps, outside, outputs)
            types = [a.type for a in body.args], [v.type for v in _results(body)]
            signature = FunctionType.from_lists(*types)
            made = func.FuncOp(self.made[key], signature, Region(body), "private")
            self.module.body.block.add_op(made)
        return self.made[key]

    def _body(
        self, steps: Sequence[Step[O, V]], outside: Sequence[V], outputs: Sequence[Output]
    ) -> Block:
        block = Block(arg_types=[self.origin.type_of(v) for v in outside])
        copier = self.origin.copier(block, dict(zip(outside, block.args, strict=True)))
        _copy(copier, steps)
        results = [copier.known[steps[at].results[index]] for at, index in outputs]
        block.add_op(func.ReturnOp(*results))
        return block


def _copy(copier: Copier[O, V], steps: Sequence[Step[O, V]]) -> None:
    for step in steps:
        copier.copy(step.op, (read.value for read in step.reads))


def _call(
    copier: Copier[O, V],
    block: Ordered[O, V],
    places: range,
    name: str,
    outputs: Sequence[Output],
) -> None:
    outside = wiring(block, places.start, places.stop)[1]
    steps = [(block.steps[places.start + at], index) for at, index in outputs]
    types = [step.model.results[index].type for step, index in steps]
    call = func.CallOp(name, [copier.bring(v) for v in outside], types)
    copier.block.add_op(call)
    results = (step.results[index] for step, index in steps)
    copier.known.update(zip(results, call.results, strict=True))


def _outputs(body: Body[O, V], block: Ordered[O, V], found: Sequence[Layers]) -> list[list[Output]]:
    """Of each function, the results that something outside one of its layers reads."""
    owner: dict[int, tuple[int, int]] = {}
    for number, layers in enumerate(found):
        for at in range(layers.start, layers.stop):
            owner[at] = number, (at - layers.start) // layers.period
    used: list[set[Output]] = [set() for _ in found]
    readers = [(step.reads, owner.get(at)) for at, step in enumerate(block.steps)]
    for reads, here in [*readers, (body.end, None)]:
        for root in {read.root for read in reads if read.root is not None}:
            layer = owner.get(block.made(root))
            if layer is not None and layer != here:
                start, period = found[layer[0]].start, found[layer[0]].period
                at, index = block.place[root]
                used[layer[0]].add(((at - start) % period, index))
    return [sorted(outputs) for outputs in used]


def _results(block: Block) -> Sequence[SSAValue]:
    last = block.last_op
    assert last is not None
    return last.operands
