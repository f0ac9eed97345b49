"""Tile a kernel of several phases, one after the other, into one body.

    %h = program.fusion(%x, %w) { dot_general } {layouts = ["rows 512x3072"]}
    %y = program.fusion(%h) { tanh }
  becomes
    %h = tile.alloc;  { load, matmul, drain into %h };  { tanh of %h, store }

What a phase hands to a later one is a buffer in HBM, which the kernel then has among its results,
or a block that stays in SBUF, as its `layouts` say; inputs of the kernel that several phases read
may be loaded once and stay too. Each phase plans with the SBUF that the blocks alive leave.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from xdsl.dialects.builtin import ArrayAttr, StringAttr
from xdsl.ir import BlockArgument, SSAValue
from xdsl.irdl import IRDLOperation

from neuronc.dialects.access import Affine
from neuronc.dialects.program import FusionOp, KernelOp
from neuronc.dialects.stablehlo.movement import ReshapeOp
from neuronc.dialects.tile import array_of
from neuronc.dialects.types import element_type
from neuronc.hardware import Generation
from neuronc.passes.body import Body
from neuronc.passes.builder import Builder
from neuronc.passes.layout import Layout, parse_layout, print_layout
from neuronc.passes.operand import Ref
from neuronc.passes.transfer import transfer

Lower = Callable[[str, Body, Builder, Generation], None]
Layouts = dict[SSAValue, Layout]
"""How each value that stays on chip lies there; the others are in HBM."""


class NotResidentError(Exception):
    """Values that some phase reaches into in a way that no block on chip allows."""

    def __init__(self, values: set[SSAValue]) -> None:
        super().__init__(f"{len(values)} values cannot stay on chip")
        self.values = values


def lower_block(body: Body, builder: Builder, hw: Generation, lower: Lower) -> None:
    """Emit every phase of a kernel.

    Raises:
        NotResidentError: naming the values that must be in HBM after all.
    """
    _BlockLowering(body, builder, hw, lower).run()


def phases_of(body: Body) -> list[FusionOp]:
    """The phases of a kernel, in order."""
    return [op for op in body.block.ops if isinstance(op, FusionOp)]


def origin(value: SSAValue) -> SSAValue:
    """The value whose buffer this is, through reshapes."""
    while isinstance(value.owner, ReshapeOp):
        value = value.owner.operands[0]
    return value


def read_layouts(kernel: KernelOp, lanes: int) -> Layouts:
    """What the attributes of a kernel and its phases say of its inputs and their results."""
    found: Layouts = {}
    for op, values in _named(kernel):
        texts = array_of(op, "layouts") if "layouts" in op.attributes else ()
        for value, text in zip(values, texts, strict=bool(texts)):
            assert isinstance(text, StringAttr)
            layout = parse_layout(text.data, lanes)
            if layout is not None:
                found[value] = layout
    return found


def write_layouts(kernel: KernelOp, layouts: Layouts) -> None:
    """Say in the attributes of a kernel and its phases what stays on chip, and how."""
    for op, values in _named(kernel):
        texts = [StringAttr(print_layout(layouts.get(v))) for v in values]
        op.attributes["layouts"] = ArrayAttr(texts)


def _named(kernel: KernelOp) -> list[tuple[IRDLOperation, Sequence[SSAValue]]]:
    """A kernel with its inputs, and its phases with their results."""
    fusions = [op for op in kernel.body.block.ops if isinstance(op, FusionOp)]
    return [(kernel, kernel.body.block.args), *((f, f.results) for f in fusions)]


@dataclass(frozen=True)
class Lives:
    """From which to which phase each resident is alive."""

    layouts: Layouts
    span: dict[SSAValue, tuple[int, int]]

    @staticmethod
    def of(phases: Sequence[FusionOp], layouts: Layouts) -> Lives:
        """First and last phase that makes or reads each value."""
        span: dict[SSAValue, tuple[int, int]] = {}
        for number, phase in enumerate(phases):
            for value in (*map(origin, phase.operands), *phase.results):
                first, _ = span.get(value, (number, number))
                span[value] = first, number
        return Lives(layouts, span)

    def bytes_at(self, number: int) -> int:
        """Bytes of a partition that residents take during a phase."""
        return sum(
            layout.block_columns * element_type(v.type).bytes
            for v, layout in self.layouts.items()
            if v in self.span and self.span[v][0] <= number <= self.span[v][1]
        )


@dataclass
class _BlockLowering:
    body: Body
    builder: Builder
    hw: Generation
    lower: Lower
    places: dict[SSAValue, SSAValue] = field(default_factory=dict[SSAValue, SSAValue])
    """The buffer or block that holds each value."""

    def __post_init__(self) -> None:
        kernel = self.body.block.parent_op()
        assert isinstance(kernel, KernelOp)
        self.layouts = read_layouts(kernel, self.hw.partitions)
        self.phases = phases_of(self.body)
        self.lives = Lives.of(self.phases, self.layouts)
        self.stored = dict(zip(self.body.yielded, self.body.outputs, strict=True))

    def run(self) -> None:
        for number, phase in enumerate(self.phases):
            for value in phase.operands:
                self._bring(origin(value))
            for result in phase.results:
                self.places[result] = self._place(result)
            room = self.hw.sbuf_bytes_per_partition - self.lives.bytes_at(number)
            hw = replace(self.hw, sbuf_bytes_per_partition=room)
            self.lower(_kind(phase), self._phase(phase), self.builder, hw)
            for result in phase.results:
                if result in self.layouts and result in self.stored:
                    self._transfer(result, self.stored[result], store=True)
        without = self.builder.residents.rejected
        rejected = {v for v, place in self.places.items() if place in without}
        if rejected:
            raise NotResidentError(rejected)

    def _phase(self, phase: FusionOp) -> Body:
        block = phase.body.block
        inputs = [self.places[origin(v)] for v in phase.operands]
        outputs = tuple(self.places[v] for v in phase.results)
        return Body(block, dict(zip(block.args, inputs, strict=True)), outputs)

    def _place(self, value: SSAValue) -> SSAValue:
        """Where a phase puts a result."""
        if value not in self.layouts:
            return self.stored[value]
        return self.builder.reside(self.layouts[value], element_type(value.type))

    def _bring(self, value: SSAValue) -> None:
        """Have an input of the kernel where the phases read it."""
        if value in self.places:
            return
        assert isinstance(value, BlockArgument)
        buffer = self.body.buffers[value]
        self.places[value] = buffer
        if value in self.layouts:
            self.places[value] = self._place(value)
            self._transfer(value, buffer, store=False)

    def _transfer(self, value: SSAValue, buffer: SSAValue, store: bool) -> None:
        """DMA between the block of a value and its buffer."""
        layout = self.layouts[value]
        ref = Ref(
            self.places[value], layout.partitions, layout.block_columns, element_type(value.type)
        )
        for start, lanes in self.builder.tiles(layout.rows, layout.lanes):
            block = replace(ref, partitions=lanes)
            column = Affine(
                start.constant // layout.lanes * layout.columns,
                tuple(c // layout.lanes * layout.columns for c in start.coefficients),
            )
            window = (buffer, start * layout.columns, layout.columns)
            free = ((1, layout.columns),)
            transfer(self.builder, block, column, (0, lanes), window, free, store)


def _kind(phase: FusionOp) -> str:
    kind = phase.attributes["kind"]
    assert isinstance(kind, StringAttr)
    return kind.data
