"""Remove what changes nothing: identities, ops on splats, unused ops, invariant loop variables.

    %z = constant dense<0.0> : f32;  %b = broadcast_in_dim %z;  %m = maximum %b, %b
  becomes
    %m = constant dense<0.0> : 128x512xf32     (a splat: one stored element)

Producers write these by habit, and each that is left costs a pass over an array. Of constants it
folds only splats: an array that is stored whole stays what it is, but for positions, 0, 1, 2 ..,
that are compared, as in masks: they become an iota, of which a mask is known. The transpose of a
product, as gradients of weights are written, becomes the product of its operands in the other
order.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block
from xdsl.passes import ModulePass
from xdsl.transforms.dead_code_elimination import region_dce

from neuronc.dialects.stablehlo.control import WhileOp
from neuronc.passes.classify import CONTROL
from neuronc.passes.rewriting import Before, replace
from neuronc.passes.simplify_constants import folded
from neuronc.passes.simplify_identities import RULES
from neuronc.passes.simplify_loops import capture_invariants


@dataclass(frozen=True)
class Simplify(ModulePass):
    """Apply the identities, once over the program, then drop what is unused."""

    name = "simplify"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Simplify every function and the control flow inside."""
        for function in op.body.block.ops:
            for region in function.regions:
                for block in region.blocks:
                    _simplify(block)
        region_dce(op.body)


def _simplify(block: Block) -> None:
    for op in list(block.ops):
        if isinstance(op, CONTROL):
            for region in op.regions:
                _simplify(region.block)
        if isinstance(op, WhileOp):
            capture_invariants(op)
            continue
        known = folded(op)
        if known is not None:
            replace(op, Before(op).constant(known))
            continue
        rule = RULES.get(type(op))
        values = rule(op) if rule else None
        if values is not None:
            replace(op, *values)
