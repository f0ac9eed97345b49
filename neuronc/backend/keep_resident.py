"""Decide which values of a kernel of phases stay in SBUF, and hand the others out to HBM.

    program.kernel @block_2 { %h = fusion(%x, %w);  %y = fusion(%h);  yield %y }
  becomes
    program.kernel @block_2 { %h = fusion(%x, %w) {layouts = ["rows 512x3072"]};  ...;  yield %y }
  or, where %h cannot stay,
    program.kernel @block_2 { ...;  yield %y, %h }

A value stays where it fits beside the others alive with it, and where every phase reaches into it
in a way that partitions and columns can follow; both are found out by tiling the kernel, a matter
of milliseconds for each distinct one. A value that does not stay is one more result.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import prod

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.ir import Block, BlockArgument, SSAValue
from xdsl.passes import ModulePass

from neuronc.backend.spill import fit
from neuronc.dialects.program import CallOp, FusionOp, KernelOp, YieldOp
from neuronc.dialects.stablehlo.contraction import DotGeneralOp
from neuronc.dialects.types import element_type, shape_of
from neuronc.errors import CapacityError
from neuronc.hardware import DEFAULT_TARGET, GENERATIONS, Generation
from neuronc.passes.attributes import ints
from neuronc.passes.classify import BLOCK
from neuronc.passes.cluster import callee_of, symbol_of
from neuronc.passes.layout import Layout
from neuronc.passes.lower_kernel import LOADS_STAY
from neuronc.passes.tile_block import Layouts, Lives, NotResidentError, origin, write_layouts
from neuronc.passes.tiled import Tiled

SMALL_ELEMENTS = 4096
"""A value this small may lie on fewer partitions than there are: a step through HBM costs more."""


@dataclass(frozen=True)
class KeepResident(ModulePass):
    """Give the values between phases a place on chip, or make them results."""

    name = "keep-resident"

    target: str = DEFAULT_TARGET
    tiled: Tiled = field(default_factory=Tiled)

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Decide for each kernel of phases by itself."""
        hw = GENERATIONS[self.target]
        kernels = [k for k in op.body.block.ops if isinstance(k, KernelOp)]
        calls: dict[str, list[CallOp]] = {}
        for call in op.walk():
            if isinstance(call, CallOp):
                calls.setdefault(callee_of(call), []).append(call)
        for kernel in kernels:
            if kernel.attributes["kind"] == StringAttr(BLOCK):
                _Choice(kernel, calls.get(symbol_of(kernel), []), hw, self.tiled).make()


@dataclass
class _Choice:
    kernel: KernelOp
    calls: list[CallOp]
    hw: Generation
    tiled: Tiled
    layouts: Layouts = field(default_factory=dict[SSAValue, Layout])

    def __post_init__(self) -> None:
        self.block = self.kernel.body.block
        self.phases = [op for op in self.block.ops if isinstance(op, FusionOp)]
        last = self.block.last_op
        assert last is not None
        self.options = {
            v: list(_layouts(v, self.phases, v in last.operands, self.hw))
            for v in self._candidates()
        }

    def make(self) -> None:
        """Start from what fits by its size, and give up what does not work out."""
        self._start()
        while not self._try():
            pass

    def _candidates(self) -> list[SSAValue]:
        """What a phase makes for another, and inputs that several phases read."""
        made = [v for p in self.phases for v in p.results]
        read = [origin(v) for p in self.phases for v in dict.fromkeys(map(origin, p.operands))]
        shared = [v for v in dict.fromkeys(read) if read.count(v) > 1]
        inputs = [v for v in shared if isinstance(v, BlockArgument)]
        return [v for v in (*made, *inputs) if v in read and element_type(v.type).engine]

    def _start(self) -> None:
        """Take values, the smallest first, while all that live together leave a quarter of SBUF."""
        budget = self.hw.sbuf_bytes_per_partition * 3 // 4
        for value in sorted(self.options, key=lambda v: prod(shape_of(v))):
            if not self.options[value]:
                continue
            layouts = {**self.layouts, value: self.options[value][0]}
            lives = Lives.of(self.phases, layouts)
            if all(lives.bytes_at(i) <= budget for i in range(len(self.phases))):
                self.layouts = layouts

    def _try(self) -> bool:
        """Tile and place the kernel as chosen; else choose anew and say that it failed."""
        write_layouts(self.kernel, self.layouts)
        self._hand_out()
        try:
            fit(self.kernel, self.hw, self.tiled)
        except NotResidentError as error:
            for value in error.values:
                self._next(value)
            return False
        except CapacityError:
            if not self.layouts:
                raise
            del self.layouts[max(self.layouts, key=self._bytes)]
            del self.kernel.attributes[LOADS_STAY]
            return False
        return True

    def _next(self, value: SSAValue) -> None:
        """The next layout of a value, or HBM after the last."""
        tried = self.options[value].pop(0)
        assert tried == self.layouts[value]
        if self.options[value]:
            self.layouts[value] = self.options[value][0]
        else:
            del self.layouts[value]

    def _bytes(self, value: SSAValue) -> int:
        return self.layouts[value].block_columns * element_type(value.type).bytes

    def _hand_out(self) -> None:
        """Make every value that is not on chip a result of the kernel, and of its calls."""
        last = self.block.last_op
        assert isinstance(last, YieldOp)
        handed = set(last.operands)
        more = [v for p in self.phases for v in p.results if v not in {*handed, *self.layouts}]
        if not more:
            return
        self.block.insert_op_before(YieldOp.create(operands=[*last.operands, *more]), last)
        last.detach()
        last.erase()
        self.calls = [_with_results(call, more) for call in self.calls]


def _with_results(call: CallOp, more: Sequence[SSAValue]) -> CallOp:
    """The call with some more results."""
    types = [*(r.type for r in call.results), *(v.type for v in more)]
    made = CallOp.create(
        operands=call.operands, result_types=types, attributes=dict(call.attributes)
    )
    block = call.parent
    assert isinstance(block, Block)
    block.insert_op_before(made, call)
    for old, new in zip(call.results, made.results, strict=False):
        old.replace_all_uses_with(new)
    call.detach()
    call.erase()
    return made


def _layouts(
    value: SSAValue, phases: Sequence[FusionOp], stored: bool, hw: Generation
) -> Iterator[Layout]:
    """Layouts to try: as the contractions that read it want it, as the one that makes it, others.

    Columns on the partitions are for contractions on both sides: one that writes its result turned
    and one that needs no transposes then. A value that is stored too has its rows there, which
    DMA wants.
    """
    shape = shape_of(value)
    if not prod(shape):
        return
    made = _made_split(value)
    wanted = _wanted(value, phases)
    turned = made is not None and len(wanted) == 1 and not stored
    if turned and (split := wanted.pop()) is not None:
        yield Layout(prod(shape[:split]), prod(shape[split:]), hw.partitions, across=True)
    splits = [made, *range(len(shape) - 1, 0, -1)]
    for split in dict.fromkeys(s for s in splits if s is not None):
        layout = Layout(prod(shape[:split]), prod(shape[split:]), hw.partitions)
        if layout.partitions == hw.partitions or prod(shape) <= SMALL_ELEMENTS:
            yield layout


def _dot(fusion: FusionOp) -> DotGeneralOp | None:
    return next((op for op in fusion.body.block.ops if isinstance(op, DotGeneralOp)), None)


def _made_split(value: SSAValue) -> int | None:
    """How many leading dimensions are rows of the contraction that makes a value."""
    dot = _dot(value.owner) if isinstance(value.owner, FusionOp) else None
    if dot is None:
        return None
    rank = len(shape_of(dot.operands[1]))
    fixed = len(ints(dot, "rhs_batching_dimensions")) + len(ints(dot, "rhs_contracting_dimensions"))
    return len(shape_of(value)) - (rank - fixed)


def _wanted(value: SSAValue, phases: Sequence[FusionOp]) -> set[int | None]:
    """How the phases that read a value want it: see `_read_split`.

    An epilogue wants what it reads as its result lies, so as the readers of that want it.
    """
    found: set[int | None] = set()
    for phase in phases:
        if value not in map(origin, phase.operands):
            continue
        split, made = _read_split(value, phase), phase.results[0]
        alike = len(phase.results) == 1 and shape_of(made) == shape_of(value)
        if split is None and alike and _dot(phase) is not None:
            found |= {_read_split(made, p) for p in phases if made in map(origin, p.operands)}
        else:
            found.add(split)
    return found


def _read_split(value: SSAValue, phase: FusionOp) -> int | None:
    """How many leading dimensions a contraction keeps that contracts the rest; None otherwise."""
    dot = _dot(phase)
    if dot is None:
        return None
    inside = [
        a for a, v in zip(phase.body.block.args, phase.operands, strict=True) if origin(v) is value
    ]
    for operand, name in zip(dot.operands, ("lhs", "rhs"), strict=True):
        if operand in inside:
            contracted = ints(dot, f"{name}_contracting_dimensions")
            split = len(shape_of(operand)) - len(contracted)
            kept = prod(shape_of(operand)[:split])
            shape = shape_of(value)
            trailing = sorted(contracted) == list(range(split, len(shape_of(operand))))
            found = [d for d in range(1, len(shape)) if prod(shape[:d]) == kept]
            return found[0] if trailing and found else None
    return None
