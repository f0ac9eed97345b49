"""Write a kernel in the tile dialect: open loops, allocate blocks, append ops.

The builder keeps the loop depth, so that a loop's index is an `Affine` of that depth, and the
source location that every op appended next is charged to.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from math import prod
from typing import cast

from xdsl.dialects.builtin import ArrayAttr, FloatAttr, IntAttr, StringAttr, f64
from xdsl.ir import Attribute, Block, SSAValue

from neuronc.dialects.access import Access, AccessAttr, Affine
from neuronc.dialects.tile import (
    AllocOp,
    BlockType,
    CastOp,
    DmaOp,
    FillOp,
    ForOp,
    GatherOp,
    IotaOp,
    MapOp,
    MatMulOp,
    ReduceOp,
    ScatterOp,
    TileOp,
    TransposeOp,
)
from neuronc.dtypes import BY_NAME, ElementType
from neuronc.isa.operands import FREE_DIMENSIONS_MAX
from neuronc.passes.iteration import merge_pairs
from neuronc.passes.layout import Layout

Operand = tuple[SSAValue, Access]


@dataclass(frozen=True)
class Ref:
    """Columns of a block on chip: [partitions, columns] of one element type, from `base` on."""

    value: SSAValue
    partitions: int
    columns: int
    element: ElementType
    base: Affine = field(default_factory=Affine)

    def __getitem__(self, pairs: Sequence[tuple[int, int]]) -> Operand:
        """The access that walks these (step, count) pairs from the first column."""
        return self.at(Affine(), tuple(pairs))

    def all(self) -> Operand:
        """The whole block."""
        return self.at(Affine(), ((1, self.columns),))

    def at(
        self,
        offset: Affine | int,
        pairs: tuple[tuple[int, int], ...],
        partition_start: int = 0,
        partitions: int | None = None,
    ) -> Operand:
        """Columns `pairs` from `offset`, of some partitions."""
        count = self.partitions - partition_start if partitions is None else partitions
        return self.value, Access(self.base + offset, pairs, partition_start, count)


@dataclass(frozen=True)
class Resident:
    """A value that lives in a block on chip for the whole kernel, instead of in HBM."""

    ref: Ref
    layout: Layout


class Builder:
    """Appends ops to a kernel's body, inside the loops that are open."""

    def __init__(self, body: Block) -> None:
        self._blocks = [body]
        self._counts: list[int] = []
        self._residents: dict[SSAValue, Resident] = {}
        self.rejected: set[SSAValue] = set()
        """Blocks of residents that something reaches into in a way that no access describes."""
        self.loc = ""
        self.source = ""
        self.tilings: list[str] = []
        """How contractions were cut, for whoever reads the kernel."""

    @contextmanager
    def loop(self, count: int) -> Generator[Affine]:
        """Open a loop; what is appended inside runs `count` times."""
        block = Block()
        self._blocks[-1].add_op(ForOp.make(count, block))
        self._blocks.append(block)
        self._counts.append(count)
        yield Affine(0, (0,) * (len(self._counts) - 1) + (1,))
        self._counts.pop()
        self._blocks.pop()

    def tiles(self, extent: int, tile: int) -> Iterator[tuple[Affine, int]]:
        """Cover `extent` by tiles: a rolled loop of whole ones, then the remainder."""
        full, rest = divmod(extent, tile)
        if full == 1:
            yield Affine(), tile
        elif full > 1:
            with self.loop(full) as i:
                yield i * tile, tile
        if rest:
            yield Affine(full * tile), rest

    def nest(
        self, sizes: Sequence[int], counts: Sequence[int]
    ) -> Iterator[tuple[tuple[Affine, ...], tuple[int, ...]]]:
        """`tiles` over several dimensions, outermost first."""
        if not sizes:
            yield (), ()
            return
        for start, count in self.tiles(sizes[0], counts[0]):
            for starts, rest in self.nest(sizes[1:], counts[1:]):
                yield (start, *starts), (count, *rest)

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
        kind = _block_type(memory, partitions, columns, element.name)
        attributes = {"tiles": IntAttr(tiles)} if tiles > 1 else {}
        attributes |= {"held": IntAttr(1)} if held else {}
        op = AllocOp.create(result_types=[kind], attributes=attributes)
        self._blocks[-1].add_op(op)
        return Ref(op.results[0], partitions, columns, element)

    def reside(self, layout: Layout, element: ElementType) -> SSAValue:
        """Reserve the block of a value that stays on chip; stands where its buffer would."""
        ref = self.alloc(layout.partitions, layout.block_columns, element)
        self._residents[ref.value] = Resident(ref, layout)
        return ref.value

    def window(
        self,
        buffer: SSAValue,
        base: Affine,
        lanes: tuple[int, int],
        step: int,
        free: tuple[tuple[int, int], ...],
    ) -> Ref | None:
        """A resident's columns behind a window of its buffer, where they are one dense run.

        The arguments are `transfer`'s. None also where `buffer` is in HBM.
        """
        found = self._residents.get(buffer)
        if found is None:
            return None
        inside = found.layout.access(base, lanes, step, free, self._counts)
        size = prod(n for _, n in free)
        if inside is None or lanes[0] or merge_pairs(inside.pairs) not in ((), ((1, size),)):
            return None
        return Ref(buffer, lanes[1], size, found.ref.element, inside.offset)

    def layout_of(self, buffer: SSAValue) -> Layout | None:
        """How a resident lies on chip; None for a buffer in HBM."""
        found = self._residents.get(buffer)
        return found.layout if found else None

    def append(self, cls: type[TileOp], operands: Sequence[Operand], **attributes: object) -> None:
        """Append a tile op; plain Python attribute values are wrapped."""
        whole = [v for v, access in operands if v in self._residents and not access.partitions]
        if whole:
            self.rejected.update(whole)
            return
        wrapped = {name: _wrap(value) for name, value in attributes.items() if value is not None}
        wrapped["access"] = ArrayAttr([AccessAttr(_normal(access)) for _, access in operands])
        if self.loc:
            wrapped["loc"] = _string(self.loc)
        if self.source:
            wrapped["source"] = _string(self.source)
        op = cls.create(operands=[value for value, _ in operands], attributes=wrapped)
        self._blocks[-1].add_op(op)

    def dma(self, dst: Operand, src: Operand, accumulate: str | None = None) -> None:
        """Dst = src."""
        self.append(DmaOp, (dst, src), accumulate=accumulate)

    def transfer(
        self,
        ref: Ref,
        column: Affine,
        lanes: tuple[int, int],
        window: tuple[SSAValue, Affine, int],
        free: tuple[tuple[int, int], ...],
        store: bool,
    ) -> None:
        """DMA between columns of a block and a window of a buffer; a copy where that resides.

        `lanes` is (partition start, count), `window` the buffer, its first element and the step
        between partitions, `free` the (step, count) pairs that run along the columns.
        """
        buffer, base, step = window
        move = self.cast if buffer in self._residents else self.dma
        for shift, at, pairs in _at_most(free or ((1, 1),), FREE_DIMENSIONS_MAX):
            outside = self._outside(buffer, base + shift, lanes, step, pairs)
            if outside is None:
                self.rejected.add(buffer)
                return
            inside = ref.at(column + at, shape_pairs([n for _, n in pairs]), *lanes)
            move(*((outside, inside) if store else (inside, outside)))

    def _outside(
        self,
        buffer: SSAValue,
        base: Affine,
        lanes: tuple[int, int],
        step: int,
        pairs: tuple[tuple[int, int], ...],
    ) -> Operand | None:
        """A window of a buffer in HBM, or on chip; None where partitions cannot follow it."""
        found = self._residents.get(buffer)
        if found is None:
            return hbm(buffer, base, ((step, lanes[1]), *pairs))
        access = found.layout.access(base, lanes, step, pairs, self._counts)
        return None if access is None else (buffer, access)

    def number(
        self,
        ref: Ref,
        lanes: tuple[int, int],
        base: Affine,
        step: int,
        free: tuple[tuple[int, int], ...],
    ) -> None:
        """Fill columns with base + partition * step + the free steps, in the block's type."""
        integer = BY_NAME["i32"]
        direct = ref.element is integer
        numbers = ref if direct else self.alloc(ref.partitions, ref.columns, integer)
        for shift, at, pairs in _at_most(free or ((1, 1),), FREE_DIMENSIONS_MAX):
            dst = numbers.at(at, shape_pairs([n for _, n in pairs]), *lanes)
            self.iota(dst, base + shift, step, [s for s, _ in pairs])
        if not direct:
            whole = ((1, ref.columns),)
            self.cast(ref.at(0, whole, *lanes), numbers.at(0, whole, *lanes))

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


def hbm(value: SSAValue, offset: Affine | int, pairs: Sequence[tuple[int, int]]) -> Operand:
    """An access to an HBM buffer."""
    start = offset if isinstance(offset, Affine) else Affine(offset)
    return value, Access(start, tuple(pairs))


def shape_pairs(shape: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Dense row-major pairs of a shape."""
    return tuple((prod(shape[d + 1 :]), size) for d, size in enumerate(shape))


def _at_most(
    pairs: tuple[tuple[int, int], ...], limit: int
) -> list[tuple[int, int, tuple[tuple[int, int], ...]]]:
    """Split an access with too many pairs: (HBM shift, block column, pairs) of each part."""
    if len(pairs) <= limit:
        return [(0, 0, pairs)]
    (step, count), *inner = pairs
    size = prod(n for _, n in inner)
    return [
        (i * step + shift, i * size + column, rest)
        for i in range(count)
        for shift, column, rest in _at_most(tuple(inner), limit)
    ]


def _normal(access: Access) -> Access:
    """On-chip accesses keep their shape; nothing else to normalise but empty pairs."""
    if access.partitions and not access.pairs:
        return Access(access.offset, ((1, 1),), access.partition_start, access.partitions)
    return access


def _wrap(value: object) -> Attribute:
    match value:
        case Attribute():
            return value
        case bool() | int():
            return _integer(int(value))
        case float():
            return FloatAttr(value, f64)
        case str():
            return _string(value)
        case tuple():
            return ArrayAttr([_wrap(item) for item in cast(tuple[object, ...], value)])
        case _:
            raise TypeError(f"no attribute for {value!r}")


# xDSL verifies an attribute whenever it makes one, and kernels repeat a few of them all the time.
_string = lru_cache(maxsize=1 << 12)(StringAttr)
_integer = lru_cache(maxsize=1 << 12)(IntAttr[int])


@lru_cache(maxsize=1 << 12)
def _block_type(memory: str, partitions: int, columns: int, element: str) -> BlockType:
    return BlockType(StringAttr(memory), IntAttr(partitions), IntAttr(columns), StringAttr(element))
