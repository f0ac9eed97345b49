"""Outline fusions as kernels, one for all that are alike.

    program.fusion(%a) { tanh };  program.fusion(%b) { tanh }
  becomes
    program.kernel @map_0 { tanh };  program.call @map_0(%a);  program.call @map_0(%b)

Two fusions are alike when their ops, attributes and types are; weights are inputs, so the layers
of a network share their kernels, and compile time follows the number of distinct layers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import itemgetter

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, StringAttr, SymbolRefAttr
from xdsl.ir import Attribute, Block, Operation, SSAValue
from xdsl.passes import ModulePass

from neuronc.dialects.program import CallOp, FusionOp, KernelOp


@dataclass(frozen=True)
class Outline(ModulePass):
    """program.fusion to program.kernel and program.call."""

    name = "outline"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Outline every fusion of the module, also inside control flow."""
        kernels: dict[object, str] = {}
        signatures = _Signatures()
        for fusion in [f for f in op.walk() if isinstance(f, FusionOp)]:
            kind = fusion.attributes["kind"]
            assert isinstance(kind, StringAttr)
            key = (kind.data, signatures.of(fusion.body.block, {}))
            if key not in kernels:
                kernels[key] = f"{kind.data}_{len(kernels)}"
                kernel = _kernel(fusion, kernels[key])
                op.body.block.add_op(kernel)
            _call(fusion, kernels[key])


@dataclass
class _Signatures:
    """Hashable descriptions of blocks that ignore names and source lines.

    Attributes and types stand as numbers, equal ones as the same; most are the same object
    wherever they occur, so that their contents are seldom hashed.
    """

    by_identity: dict[int, tuple[Attribute, int]] = field(
        default_factory=dict[int, tuple[Attribute, int]]
    )
    by_value: dict[Attribute, int] = field(default_factory=dict[Attribute, int])

    def number(self, attribute: Attribute) -> int:
        """The number of an attribute; the entry keeps it alive, so its identity stays its own."""
        found = self.by_identity.get(id(attribute))
        if found is None:
            found = (attribute, self.by_value.setdefault(attribute, len(self.by_value)))
            self.by_identity[id(attribute)] = found
        return found[1]

    def of(self, block: Block, names: dict[SSAValue, int]) -> object:
        """Describe a block, numbering its values in order."""
        for argument in block.args:
            names[argument] = len(names)
        types = tuple(self.number(a.type) for a in block.args)
        return types, tuple(self._describe(op, names) for op in block.ops)

    def _describe(self, op: Operation, names: dict[SSAValue, int]) -> object:
        operands = tuple(names.get(v, -1) for v in op.operands)
        given = sorted(op.attributes.items(), key=itemgetter(0))
        attributes = tuple((name, self.number(value)) for name, value in given if name != "loc")
        regions = tuple(self.of(b, names) for region in op.regions for b in region.blocks)
        for result in op.results:
            names[result] = len(names)
        return (
            op.name,
            operands,
            attributes,
            tuple(self.number(r.type) for r in op.results),
            regions,
        )


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
