"""Put the calls of kernels that a layer became in the place of each call of the layer.

    func.func private @layer_0(%x, %w) { %y = program.call @contract_0(%x, %w);  return %y }
    %a = call @layer_0(%x, %w0);  %b = call @layer_0(%a, %w1)
  becomes
    %a = program.call @contract_0(%x, %w0);  %b = program.call @contract_0(%a, %w1)

So the plan sees one list of calls, and places values as if `roll` had never been. A layer is by
now a call or a few, however many ops it was.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass

from neuronc.passes.rewriting import replace
from neuronc.passes.roll import is_layer


@dataclass(frozen=True)
class Unroll(ModulePass):
    """Calls of functions to their bodies."""

    name = "unroll"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Inline every call of a private function; then nothing calls them."""
        functions = [f for f in op.body.block.ops if isinstance(f, func.FuncOp)]
        layers = {f.sym_name.data: f for f in functions if is_layer(f)}
        for function in functions:
            for call in [c for c in function.walk() if isinstance(c, func.CallOp)]:
                _inline(call, layers)
        for layer in layers.values():
            layer.detach()
            layer.erase(safe_erase=False)


def _inline(call: func.CallOp, layers: dict[str, func.FuncOp]) -> None:
    body = layers[call.callee.string_value()].body.block
    known: dict[SSAValue, SSAValue] = dict(zip(body.args, call.arguments, strict=True))
    block = call.parent
    assert block is not None
    for op in body.ops:
        if isinstance(op, func.ReturnOp):
            replace(call, *(known[v] for v in op.operands))
            return
        copy = op.clone(known)
        block.insert_op_before(copy, call)
        for inner in [c for c in copy.walk() if isinstance(c, func.CallOp)]:
            _inline(inner, layers)
