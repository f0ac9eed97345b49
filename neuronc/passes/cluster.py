"""Put calls that follow each other into one kernel, as its phases.

    %h = program.call @contract_0(%x, %w);  %y = program.call @map_1(%h)
  becomes
    program.kernel @block_2 { %h = program.fusion(%x, %w) { .. };  %y = program.fusion(%h) { .. } }
    %y = program.call @block_2(%x, %w)

Kernels start and end in HBM and run one after the other. Phases of one kernel can hand their
values over on chip, and the loads of one overlap with the compute of another. Control flow,
library calls and updates in place stay calls of their own. Where the calls repeat, as the layers
of a network do, the clusters are cut at the repeats, so that equal layers still share a kernel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import prod

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, StringAttr, SymbolRefAttr
from xdsl.dialects.func import FuncOp
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue
from xdsl.passes import ModulePass

from neuronc.dialects.program import CallOp, FusionOp, KernelOp, YieldOp
from neuronc.dialects.stablehlo.movement import ReshapeOp
from neuronc.dialects.types import element_type, shape_of
from neuronc.passes.classify import BLOCK, CONTROL, LIBRARY
from neuronc.passes.repeats import cuts
from neuronc.passes.roll import is_layer
from neuronc.passes.tile_index import ties_of

PHASES_MAX = 32
"""Calls of one cluster: the most that are lowered, placed and bound together."""


@dataclass(frozen=True)
class Cluster(ModulePass):
    """program.calls to one program.call of a kernel of phases."""

    name = "cluster"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Cluster the calls of every function, and of the control flow inside."""
        clusters = _Clusters(op)
        for function in list(op.body.block.ops):
            if isinstance(function, FuncOp):
                clusters.visit(function.body.block, is_layer(function))
        clusters.drop_unused()


def callee_of(call: CallOp) -> str:
    """The symbol of the kernel that a call runs."""
    callee = call.attributes["callee"]
    assert isinstance(callee, SymbolRefAttr)
    return callee.root_reference.data


def kernels_of(module: ModuleOp) -> dict[str, KernelOp]:
    """The kernels of a module by symbol."""
    return {symbol_of(k): k for k in module.body.block.ops if isinstance(k, KernelOp)}


def symbol_of(kernel: KernelOp) -> str:
    """A kernel's own symbol."""
    name = kernel.attributes["sym_name"]
    assert isinstance(name, StringAttr)
    return name.data


@dataclass
class _Clusters:
    module: ModuleOp
    made: dict[object, KernelOp] = field(default_factory=dict[object, KernelOp])

    def __post_init__(self) -> None:
        self._kernels = kernels_of(self.module)

    def visit(self, block: Block, whole: bool) -> None:
        """Cluster one block, then the blocks inside it; a whole layer has no repeats to cut at."""
        for run in self._runs(block):
            parts = [0, len(run)] if whole else _repeats(run)
            for start, stop in pairwise(parts):
                for at in range(start, stop, PHASES_MAX):
                    self._cluster(block, run[at : min(at + PHASES_MAX, stop)])
        for op in block.ops:
            if isinstance(op, CONTROL):
                for region in op.regions:
                    self.visit(region.block, whole=False)

    def _runs(self, block: Block) -> list[list[CallOp]]:
        """Calls in a row that may be phases; only reshapes and constants stand between them."""
        runs: list[list[CallOp]] = [[]]
        for op in block.ops:
            if isinstance(op, CallOp) and self._is_phase(op):
                runs[-1].append(op)
            elif isinstance(op, (CallOp, *CONTROL)):
                runs.append([])
        return [run for run in runs if run]

    def _is_phase(self, call: CallOp) -> bool:
        kernel = self._kernels[callee_of(call)]
        kind = kernel.attributes["kind"]
        return kind != StringAttr(LIBRARY) and not any(ties_of(o) for o in kernel.body.block.ops)

    def _cluster(self, block: Block, calls: Sequence[CallOp]) -> None:
        """Replace calls by one of a kernel that has them as phases."""
        if len(calls) < 2:
            return
        part = _Part(list(calls))
        key = part.key()
        if key not in self.made:
            self.made[key] = part.kernel(f"{BLOCK}_{len(self.made)}", self._kernels)
            self._kernels[symbol_of(self.made[key])] = self.made[key]
            self.module.body.block.add_op(self.made[key])
        part.call(block, symbol_of(self.made[key]))

    def drop_unused(self) -> None:
        """Erase the kernels that only phases were copied from."""
        called = {callee_of(op) for op in self.module.walk() if isinstance(op, CallOp)}
        for name, kernel in self._kernels.items():
            if name not in called:
                kernel.detach()
                kernel.erase(safe_erase=False)


@dataclass
class _Part:
    """Calls that become one kernel, with the reshapes among them."""

    calls: list[CallOp]

    def __post_init__(self) -> None:
        self.ops = self._with_reshapes()
        inside = set(self.ops)
        read = [v for op in self.ops for v in op.operands]
        self.inputs = list(dict.fromkeys(v for v in read if v.owner not in inside))
        self.outputs = [
            v
            for op in self.calls
            for v in op.results
            if _is_unused(v) or any(not self._is_inner(u.operation) for u in v.uses)
        ]

    def _with_reshapes(self) -> list[Operation]:
        """The calls, and the reshapes between them, in order."""
        made: set[Operation] = set(self.calls)
        out: list[Operation] = []

        def bring(value: SSAValue) -> None:
            op = value.owner
            if not isinstance(op, ReshapeOp) or op in made:
                return
            bring(op.operands[0])
            if op.operands[0].owner in made:
                made.add(op)
                out.append(op)

        for call in self.calls:
            for value in call.operands:
                bring(value)
            out.append(call)
        return out

    def _is_inner(self, op: Operation) -> bool:
        """Whether a user of a value of the part is a phase, or reshapes it for phases alone."""
        if isinstance(op, ReshapeOp):
            users = [u.operation for u in op.results[0].uses]
            return bool(users) and all(self._is_inner(u) for u in users)
        return op in self.calls

    def key(self) -> object:
        """What equal parts share: the phases, and which values they read and hand out."""
        names: dict[SSAValue, int] = {v: i for i, v in enumerate(self.inputs)}
        rows: list[object] = [tuple(v.type for v in self.inputs)]
        for op in self.ops:
            callee = callee_of(op) if isinstance(op, CallOp) else ""
            types = tuple(r.type for r in op.results)
            rows.append((callee, types, tuple(names[v] for v in op.operands)))
            for result in op.results:
                names[result] = len(names)
        return (*rows, tuple(names[v] for v in self.outputs))

    def kernel(self, name: str, kernels: Mapping[str, KernelOp]) -> KernelOp:
        """The kernel of these phases, each a copy of the kernel that was called."""
        block = Block(arg_types=[v.type for v in self.inputs])
        known: dict[SSAValue, SSAValue] = dict(zip(self.inputs, block.args, strict=True))
        for op in self.ops:
            if isinstance(op, CallOp):
                block.add_op(_phase(op, kernels[callee_of(op)], known))
            else:
                block.add_op(op.clone(known))
        block.add_op(YieldOp.create(operands=[known[v] for v in self.outputs]))
        attributes: dict[str, Attribute] = {
            "sym_name": StringAttr(name),
            "kind": StringAttr(BLOCK),
        }
        return KernelOp.create(attributes=attributes, regions=[Region(block)])

    def call(self, block: Block, name: str) -> None:
        """Call the kernel in the place of the last phase."""
        call = CallOp.create(
            operands=self.inputs,
            result_types=[v.type for v in self.outputs],
            attributes={"callee": SymbolRefAttr(name), "kind": StringAttr(BLOCK)},
        )
        block.insert_op_before(call, self.calls[-1])
        for old, new in zip(self.outputs, call.results, strict=True):
            old.replace_all_uses_with(new)
        for op in reversed(self.ops):
            if isinstance(op, CallOp) or _is_unused(op.results[0]):
                op.detach()
                op.erase()
        _sink(call)


def _phase(call: CallOp, kernel: KernelOp, known: dict[SSAValue, SSAValue]) -> FusionOp:
    """A call as a fusion inside the kernel of its cluster."""
    made = FusionOp.create(
        operands=[known[v] for v in call.operands],
        result_types=[r.type for r in call.results],
        attributes={"kind": kernel.attributes["kind"]},
        regions=[kernel.body.clone()],
    )
    known.update(zip(call.results, made.results, strict=True))
    return made


def _sink(call: CallOp) -> None:
    """Move the reshapes of the call's results that came before its last phase behind it."""
    block = call.parent
    assert block is not None
    after: Operation = call
    for op in block.ops:
        if op is call:
            return
        if isinstance(op, ReshapeOp) and _leads_to(op.operands[0], call):
            op.detach()
            block.insert_op_after(op, after)
            after = op


def _is_unused(value: SSAValue) -> bool:
    return value.uses.get_length() == 0


def _leads_to(value: SSAValue, call: CallOp) -> bool:
    while isinstance(value.owner, ReshapeOp):
        value = value.owner.operands[0]
    return value.owner is call


def _repeats(run: Sequence[CallOp]) -> list[int]:
    """Where calls repeat, from first to last."""
    position: dict[Operation, int] = {call: i for i, call in enumerate(run)}
    return cuts([callee_of(c) for c in run], lambda at: _crossing(position, at))


def _crossing(position: Mapping[Operation, int], at: int) -> int:
    """Bytes of the values that calls before `at` hand to what comes from there on."""
    calls = list(position)
    return sum(
        prod(shape_of(v)) * element_type(v).bytes
        for call in calls[:at]
        for v in call.results
        if any(position.get(u, at) >= at for u in _users(v))
    )


def _users(value: SSAValue) -> list[Operation]:
    """The ops that read a value, also through reshapes."""
    out: list[Operation] = []
    for use in value.uses:
        if isinstance(use.operation, ReshapeOp):
            out += _users(use.operation.results[0])
        else:
            out.append(use.operation)
    return out
