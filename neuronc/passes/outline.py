"""Outline fusions as kernels, one for all that are alike.

    program.fusion(%a) { tanh };  program.fusion(%b) { tanh }
  becomes
    program.kernel @map_0 { tanh };  program.call @map_0(%a);  program.call @map_0(%b)

Two fusions are alike when their ops, attributes and types are; weights are inputs, so the layers
of a network share their kernels, and compile time follows the number of distinct layers.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, StringAttr, SymbolRefAttr
from xdsl.passes import ModulePass

from neuronc.dialects.program import CallOp, FusionOp, KernelOp
from neuronc.passes.signatures import Signatures


@dataclass(frozen=True)
class Outline(ModulePass):
    """program.fusion to program.kernel and program.call."""

    name = "outline"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Outline every fusion of the module, also inside control flow."""
        kernels: dict[object, str] = {}
        signatures = Signatures()
        for fusion in [f for f in op.walk() if isinstance(f, FusionOp)]:
            kind = fusion.attributes["kind"]
            assert isinstance(kind, StringAttr)
            key = (kind.data, signatures.of(fusion.body.block, {}))
            if key not in kernels:
                kernels[key] = f"{kind.data}_{len(kernels)}"
                kernel = _kernel(fusion, kernels[key])
                op.body.block.add_op(kernel)
            _call(fusion, kernels[key])


def _kernel(fusion: FusionOp, name: str) -> KernelOp:
    return KernelOp.create(
        attributes={**fusion.attributes, "sym_name": StringAttr(name)},
        regions=[fusion.body.clone()],
    )


def _call(fusion: FusionOp, name: str) -> None:
    attributes = {**fusion.attributes, "callee": SymbolRefAttr(name)}
    call = CallOp.create(
        operands=fusion.operands,
        result_types=[r.type for r in fusion.results],
        attributes=attributes,
    )
    block = fusion.parent
    assert block is not None
    block.insert_op_before(call, fusion)
    for old, new in zip(fusion.results, call.results, strict=True):
        old.replace_all_uses_with(new)
    fusion.detach()
    fusion.erase()
