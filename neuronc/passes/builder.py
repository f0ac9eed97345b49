"""Write a kernel in the tile dialect: open loops, allocate blocks, append ops.

The builder keeps the source location that every op appended next is charged to.
"""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import ArrayAttr, IntAttr
from xdsl.ir import Block, SSAValue

from neuronc.dialects.access import Access, AccessAttr, Affine
from neuronc.dialects.interned import attribute, block_of
from neuronc.dialects.tile import (
    AllocOp,
    CastOp,
    DmaOp,
    FillOp,
    GatherOp,
    IotaOp,
    MapOp,
    MatMulOp,
    ReduceOp,
    ScatterOp,
    TileOp,
    TransposeOp,
)
from neuronc.dtypes import ElementType
from neuronc.passes.layout import Layout
from neuronc.passes.loops import Loops
from neuronc.passes.operand import Operand, Ref
from neuronc.passes.residents import Residents


class Builder(Loops):
    """Appends ops to a kernel's body, inside the loops that are open."""

    def __init__(self, body: Block) -> None:
        super().__init__(body)
        self.residents = Residents(self)
        self.loc = ""
        self.source = ""
        self.tilings: list[str] = []
        """How contractions were cut, for whoever reads the kernel."""

    def alloc(
        self,
        partitions: int,
        columns: int,
        element: ElementType,
        memory: str = "sbuf",
        tiles: int = 1,
        held: bool = False,
    ) -> Ref:
        """Reserve a block on chip; of several equal `tiles`, where each access stays in one.

        In a loop, one that is `held` is filled once for the next run while this one reads it.
        """
        kind = block_of(memory, partitions, columns, element.name)
        attributes = {"tiles": IntAttr(tiles)} if tiles > 1 else {}
        attributes |= {"held": IntAttr(1)} if held else {}
        op = AllocOp.create(result_types=[kind], attributes=attributes)
        self.add(op)
        return Ref(op.results[0], partitions, columns, element)

    def reside(self, layout: Layout, element: ElementType) -> SSAValue:
        """Reserve the block of a value that stays on chip; stands where its buffer would."""
        ref = self.alloc(layout.partitions, layout.block_columns, element)
        self.residents.add(ref, layout)
        return ref.value

    def append(self, cls: type[TileOp], operands: Sequence[Operand], **attributes: object) -> None:
        """Append a tile op; plain Python attribute values are wrapped."""
        whole = [v for v, access in operands if v in self.residents and not access.partitions]
        if whole:
            self.residents.rejected.update(whole)
            return
        wrapped = {
            name: attribute(value) for name, value in attributes.items() if value is not None
        }
        wrapped["access"] = ArrayAttr([AccessAttr(_normal(access)) for _, access in operands])
        if self.loc:
            wrapped["loc"] = attribute(self.loc)
        if self.source:
            wrapped["source"] = attribute(self.source)
        op = cls.create(operands=[value for value, _ in operands], attributes=wrapped)
        self.add(op)

    def dma(self, dst: Operand, src: Operand, accumulate: str | None = None) -> None:
        """Dst = src."""
        self.append(DmaOp, (dst, src), accumulate=accumulate)

    def gather(self, dst: Operand, src: Operand, index: Operand) -> None:
        """dst[i] = src[index[i]]."""
        self.append(GatherOp, (dst, src, index))

    def scatter(
        self, dst: Operand, src: Operand, index: Operand, accumulate: str | None = None
    ) -> None:
        """dst[index[i]] = src[i]."""
        self.append(ScatterOp, (dst, src, index), accumulate=accumulate)

    def matmul(
        self, dst: Operand, stationary: Operand, moving: Operand, first: Sequence[int] | None
    ) -> None:
        """Dst (+)= stationary.T @ moving; overwrites at the first run of the loops `first`."""
        depths = None if first is None else tuple(first)
        self.append(MatMulOp, (dst, stationary, moving), first=depths)

    def transpose(self, dst: Operand, src: Operand) -> None:
        """Dst = src.T."""
        self.append(TransposeOp, (dst, src))

    def map(
        self,
        function: str,
        dst: Operand,
        *sources: Operand,
        immediate: float | None = None,
        immediate_at: int | None = None,
    ) -> None:
        """Dst = function(sources...)."""
        self.append(
            MapOp,
            (dst, *sources),
            function=function,
            immediate=immediate,
            immediate_at=immediate_at,
        )

    def cast(self, dst: Operand, src: Operand) -> None:
        """Dst = src, converted."""
        self.append(CastOp, (dst, src))

    def reduce(self, function: str, dst: Operand, src: Operand, axes: int) -> None:
        """Dst = src reduced over its last `axes` dimensions."""
        self.append(ReduceOp, (dst, src), function=function, axes=axes)

    def fill(self, dst: Operand, value: float) -> None:
        """Dst = value."""
        self.append(FillOp, (dst,), value=value)

    def iota(self, dst: Operand, base: Affine, partition_step: int, steps: Sequence[int]) -> None:
        """Dst = base + p * partition_step + sum(i * steps)."""
        self.append(
            IotaOp,
            (dst,),
            base=AccessAttr(Access(base, ())),
            partition_step=partition_step,
            steps=tuple(steps),
        )


def _normal(access: Access) -> Access:
    """On-chip accesses keep their shape; nothing else to normalise but empty pairs."""
    if access.partitions and not access.pairs:
        return Access(access.offset, ((1, 1),), access.partition_start, access.partitions)
    return access
