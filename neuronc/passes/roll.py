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

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue
from xdsl.passes import ModulePass

from neuronc.passes.classify import CONTROL
from neuronc.passes.reads import Reader
from neuronc.passes.rolling import Plan, Roller
from neuronc.passes.steps import Copier, Origin


@dataclass(frozen=True)
class Roll(ModulePass):
    """Repeated ops to calls of functions."""

    name = "roll"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Roll every function, and the control flow inside, unless the program came rolled."""
        functions = [f for f in op.body.block.ops if isinstance(f, func.FuncOp)]
        if any(map(is_layer, functions)):
            return
        roller, reader = Roller(op, _Module()), Reader()
        for function in functions:
            _roll(function.body, roller, reader)


def is_layer(function: func.FuncOp) -> bool:
    """Whether a function is a layer that calls share."""
    visibility = function.sym_visibility
    return visibility is not None and visibility.data == "private"


class _Cloner(Copier[Operation, SSAValue]):
    """Copies by cloning; `source` is the block that it replaces, which sees what is outside."""

    def __init__(
        self, block: Block, known: dict[SSAValue, SSAValue], source: Block | None = None
    ) -> None:
        super().__init__(block, known)
        self._source = source

    def bring(self, value: SSAValue) -> SSAValue:
        """The value in the new block."""
        if value not in self.known:
            op = value.owner
            if isinstance(op, Block) or (self._source and op.parent is not self._source):
                return value
            self.copy(op, op.operands)
        return self.known[value]

    def add(self, op: Operation) -> None:
        """Clone one op."""
        self.block.add_op(op.clone(self.known))


class _Module(Origin[Operation, SSAValue]):
    """A module of the stablehlo dialect."""

    def copier(self, block: Block, known: dict[SSAValue, SSAValue]) -> _Cloner:
        """Clones into a function."""
        return _Cloner(block, known)

    def type_of(self, value: SSAValue) -> Attribute:
        """The type of a value."""
        return value.type


def _roll(region: Region, roller: Roller[Operation, SSAValue], reader: Reader) -> None:
    """Roll the regions inside, then the block itself."""
    old = region.block
    for op in old.ops:
        if isinstance(op, CONTROL):
            for inner in op.regions:
                _roll(inner, roller, reader)
    plan = roller.plan(reader.body(old))
    if plan is not None:
        region.add_block(_rewrite(roller, old, plan))
        region.detach_block(old)
        old.erase(safe_erase=False)


def _rewrite(
    roller: Roller[Operation, SSAValue], old: Block, plan: Plan[Operation, SSAValue]
) -> Block:
    """The block with calls in the place of its layers."""
    new = Block(arg_types=[a.type for a in old.args])
    copier = _Cloner(new, dict(zip(old.args, new.args, strict=True)), old)
    roller.write(plan, copier)
    assert old.last_op is not None
    copier.copy(old.last_op, old.last_op.operands)
    return new
