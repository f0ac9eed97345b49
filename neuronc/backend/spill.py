"""Split a kernel that needs more on-chip memory than there is: what it passes on spills to HBM.

    program.kernel @k(%a) { %x = f %a;  %y = g %x;  yield %y }          (does not fit)
  becomes
    program.kernel @k_0(%a) { %x = f %a;  yield %x }
    program.kernel @k_1(%x) { %y = g %x;  yield %y }

Each half is tried again, down to single ops; an op that does not fit by itself is the user's
error, and the message names its largest blocks. Lowering a kernel twice costs milliseconds, and
there are only as many kernels as there are distinct ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, StringAttr, SymbolRefAttr, UnitAttr
from xdsl.ir import Region, SSAValue
from xdsl.passes import ModulePass

from neuronc.backend.allocate import check_fits
from neuronc.dialects.program import CallOp, KernelOp
from neuronc.errors import CapacityError
from neuronc.hardware import DEFAULT_TARGET, GENERATIONS, Generation
from neuronc.passes.body import is_compute
from neuronc.passes.classify import CONTRACT, MAP
from neuronc.passes.extract import Part, extract
from neuronc.passes.lower_kernel import LOADS_STAY
from neuronc.passes.rewriting import replace
from neuronc.passes.tiled import Tiled


@dataclass(frozen=True)
class Spill(ModulePass):
    """Split kernels until each fits."""

    name = "spill"

    target: str = DEFAULT_TARGET
    tiled: Tiled = field(default_factory=Tiled)

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Try every kernel of the module."""
        for kernel in [k for k in op.body.block.ops if isinstance(k, KernelOp)]:
            _fit(op, kernel, GENERATIONS[self.target], self.tiled)


def _fit(module: ModuleOp, kernel: KernelOp, hw: Generation, tiled: Tiled) -> None:
    if not may_split(kernel):
        return
    compute = [op for op in kernel.body.block.ops if is_compute(op)]
    try:
        fit(kernel, hw, tiled)
    except CapacityError:
        if len(compute) < 2:
            raise
        half = len(compute) // 2
        parts = [
            extract(_kind(kernel), compute[:half]),
            extract(MAP, compute[half:]),
        ]
        for half_kernel in _split(module, kernel, _kind(kernel), parts):
            _fit(module, half_kernel, hw, tiled)


def may_split(kernel: KernelOp) -> bool:
    """Whether this pass tries a kernel; others plan by themselves what they hold."""
    return _kind(kernel) in (MAP, CONTRACT)


def fit(kernel: KernelOp, hw: Generation, tiled: Tiled) -> None:
    """Tile and place a kernel to see that it fits; as a last resort, loads are not shared.

    Raises:
        CapacityError: it does not.
    """
    try:
        check_fits(tiled.of(kernel, hw), hw)
    except CapacityError:
        kernel.attributes[LOADS_STAY] = UnitAttr()
        check_fits(tiled.of(kernel, hw), hw)


def _split(module: ModuleOp, kernel: KernelOp, kind: str, parts: list[Part]) -> list[KernelOp]:
    """Replace the kernel by one per part, and its calls by calls of those in turn."""
    name = _symbol(kernel)
    halves: list[KernelOp] = []
    for i, (part, part_kind) in enumerate(zip(parts, (kind, MAP), strict=True)):
        attributes = {"sym_name": StringAttr(f"{name}_{i}"), "kind": StringAttr(part_kind)}
        halves.append(KernelOp.create(attributes=attributes, regions=[Region(part.block)]))
        module.body.block.add_op(halves[-1])
    for call in [c for c in module.walk() if isinstance(c, CallOp) and _callee(c) == name]:
        _replace_call(call, kernel, parts, halves)
    kernel.detach()
    kernel.erase(safe_erase=False)
    return halves


def _replace_call(
    call: CallOp, kernel: KernelOp, parts: list[Part], halves: list[KernelOp]
) -> None:
    known: dict[SSAValue, SSAValue] = dict(zip(kernel.body.block.args, call.operands, strict=True))
    block = call.parent
    assert block is not None
    for part, half in zip(parts, halves, strict=True):
        made = CallOp.create(
            operands=[known[v] for v in part.inputs],
            result_types=[v.type for v in part.outputs],
            attributes={"callee": SymbolRefAttr(_symbol(half)), "kind": half.attributes["kind"]},
        )
        block.insert_op_before(made, call)
        known.update(zip(part.outputs, made.results, strict=True))
    last = kernel.body.block.last_op
    assert last is not None
    replace(call, *(known[v] for v in last.operands))


def _kind(kernel: KernelOp) -> str:
    kind = kernel.attributes["kind"]
    assert isinstance(kind, StringAttr)
    return kind.data


def _symbol(kernel: KernelOp) -> str:
    name = kernel.attributes["sym_name"]
    assert isinstance(name, StringAttr)
    return name.data


def _callee(call: CallOp) -> str:
    callee = call.attributes["callee"]
    assert isinstance(callee, SymbolRefAttr)
    return callee.root_reference.data
