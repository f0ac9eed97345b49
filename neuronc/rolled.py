"""Convert a program with its repeated layers as functions, of which only the first is converted.

    %a = add %x, %w0;  %b = tanh %a;  %c = add %b, %w1;  %d = tanh %c;  ..            in MLIR
  becomes
    func.func private @layer_0(%x, %w) { %a = add %x, %w;  %b = tanh %a;  return %b }
    %b = call @layer_0(%x, %w0);  %d = call @layer_0(%b, %w1);  ..        in the stablehlo dialect

It is what `convert` and the pass `roll` make together. What layers are depends on what ops
are, so of all operations that are alike and read alike, one is converted: their model, whose
operands stand for whatever they read.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from jaxlib.mlir import ir
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Attribute, Block, Operation, SSAValue

from neuronc.frontend.alike import captured, likeness
from neuronc.frontend.convert import Importer, Values
from neuronc.frontend.locations import Locations
from neuronc.frontend.mlir import terminator
from neuronc.passes.classify import CONTROL
from neuronc.passes.reads import Reader
from neuronc.passes.rolling import Plan, Roller
from neuronc.passes.steps import Body, Copier, Origin, Read, Step

_Read = Read[ir.Value]
_Step = Step[ir.Operation, ir.Value]


def convert_rolled(entry: ir.Operation, locations: Locations) -> ModuleOp:
    """Convert as `convert` does, with the layers rolled."""
    return _LayerImporter(entry, locations).module()


class _LayerImporter(Importer, Origin[ir.Operation, ir.Value]):
    """Converts blocks as they were planned, with calls in the place of layers."""

    def __init__(self, entry: ir.Operation, locations: Locations) -> None:
        super().__init__(entry, locations)
        self._module = ModuleOp([])
        self._roller = Roller(self._module, self)
        self._models = _Models(self)
        self._plans: dict[ir.Block, Plan[ir.Operation, ir.Value]] = {}
        self._entry_block = entry.regions[0].blocks[0]

    def module(self) -> ModuleOp:
        """The function `@main` and those of the layers."""
        self._plan(self._entry_block)
        block, main = self._module.body.block, self.function()
        if block.first_op is None:
            block.add_op(main)
        else:
            block.insert_op_before(main, block.first_op)
        return self._module

    def fill(self, made: Block, block: ir.Block, values: Values) -> None:
        """Convert a block, with calls in the place of its layers."""
        plan = self._plans.get(block)
        if plan is None:
            super().fill(made, block, values)
            return
        copier = self.copier(made, values)
        self._roller.write(plan, copier)
        end = terminator(block)
        copier.copy(end, end.operands)

    def copier(self, block: Block, known: Values) -> _Copier:
        """What converts into a block."""
        return _Copier(self, block, known)

    def type_of(self, value: ir.Value) -> Attribute:
        """The type of a value in the dialect."""
        return self.types.convert(value.type)

    def _plan(self, block: ir.Block) -> None:
        """Find the layers of a block, after those of the control flow inside."""
        steps: list[_Step] = []
        *ops, end = (op.operation for op in block.operations)
        for op in ops:
            if op.name in _CONTROL:
                for region in op.regions:
                    self._plan(region.blocks[0])
            step = self._models.step(op)
            if step is not None:
                steps.append(step)
        plan = self._roller.plan(Body(steps, self._models.reads(end)))
        if plan is not None:
            self._plans[block] = plan


_CONTROL = frozenset(cls.name for cls in CONTROL)


class _Copier(Copier[ir.Operation, ir.Value]):
    """Copies by converting."""

    def __init__(self, importer: Importer, block: Block, known: Values) -> None:
        super().__init__(block, known)
        self._importer = importer

    def bring(self, value: ir.Value) -> SSAValue:
        """The value in the new block; what is outside of it is known."""
        if value not in self.known:
            op = value.owner
            assert not isinstance(op, ir.Block)
            self.copy(op.operation, op.operands)
        return self.known[value]

    def add(self, op: ir.Operation) -> None:
        """Convert one operation."""
        self.block.add_op(self._importer.operation(op, self.known))


@dataclass(frozen=True)
class _Model:
    """What is true of all operations that are alike and read alike."""

    op: Operation
    kind: int
    folded: Read[SSAValue] | None
    """How its result is read, if readers make it themselves."""


class _Models:
    """One converted operation for all that are alike and read alike."""

    def __init__(self, importer: Importer) -> None:
        self._importer = importer
        self._reader = Reader()
        self._known: dict[Hashable, _Model] = {}
        self._buffers: dict[ir.Type, SSAValue] = {}
        self._reads: dict[ir.Value, _Read] = {}
        self._seen: dict[ir.Value, SSAValue] = {}
        """Values that readers make, as their model's result."""

    def step(self, op: ir.Operation) -> _Step | None:
        """An operation as a step; None where readers make its result themselves."""
        values = list(op.operands)
        if len(op.regions):
            values += captured(op)
        standing = [self._standing(value) for value in values]
        key = likeness(op), tuple(map(id, standing))
        model = self._known.get(key)
        if model is None:
            model = self._known[key] = self._make(op, dict(zip(values, standing, strict=True)))
        if model.folded is None:
            reads = tuple(map(self._read, values))
            return Step(op, model.op, model.kind, reads, tuple(op.results))
        self._fold(op.results[0], model, values)
        return None

    def reads(self, op: ir.Operation) -> tuple[_Read, ...]:
        """What the end of a block reads."""
        return tuple([self._read(value) for value in op.operands])

    def _make(self, op: ir.Operation, values: Values) -> _Model:
        made = self._importer.operation(op, values)
        folded = self._reader.is_folded(made)
        kind = -1 if folded else self._reader.step(made).kind
        return _Model(made, kind, self._reader.read(made.results[0]) if folded else None)

    def _fold(self, result: ir.Value, model: _Model, values: Sequence[ir.Value]) -> None:
        """Note how a result is read that is no step's."""
        read = model.folded
        assert read is not None
        if read.root is read.value:
            return
        root = None if read.root is None else self._read(values[0]).root
        self._reads[result] = Read(result, read.how, root, read.uniform)
        self._seen[result] = model.op.results[0]

    def _read(self, value: ir.Value) -> _Read:
        found = self._reads.get(value)
        if found is None:
            how = self._reader.how(self._importer.types.convert(value.type))
            found = self._reads[value] = Read(value, how, value)
        return found

    def _standing(self, value: ir.Value) -> SSAValue:
        """What stands for a value in a model: any buffer of its type, or how it is made."""
        found = self._seen.get(value)
        if found is None:
            type_ = value.type
            found = self._buffers.get(type_)
            if found is None:
                made = Block(arg_types=[self._importer.types.convert(type_)]).args[0]
                found = self._buffers[type_] = made
        return found
