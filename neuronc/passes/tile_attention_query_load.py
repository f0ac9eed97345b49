"""Bring queries, keys and values of some heads on chip, keys on the partitions, and results off.

A partition holds whole keys, in the order in which HBM has them. Where the vector engine multiplies
them, queries are wanted on all partitions, and lie in PSUM, where a product with 1 puts them: it
reads one operand there at twice the rate of two in SBUF.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from xdsl.ir import SSAValue

from neuronc.dialects.access import Affine
from neuronc.dtypes import BY_NAME, ElementType
from neuronc.hardware import Generation
from neuronc.passes.attention_plan import parts_of
from neuronc.passes.attention_space import BATCH, DEPTH, KEYS, ROWS, WIDTH, Space
from neuronc.passes.body import Body, element
from neuronc.passes.builder import Builder
from neuronc.passes.iteration import Tile, merge_pairs
from neuronc.passes.operand import Ref
from neuronc.passes.tile_attention_query_plan import QueryPlan, Section, dense, shifted
from neuronc.passes.tile_attention_query_pool import Pool
from neuronc.passes.transfer import transfer

_FLOAT = BY_NAME["f32"]
_INNER = {"q": DEPTH, "k": DEPTH, "v": WIDTH}


@dataclass(frozen=True)
class Group:
    """The heads of one softmax: `counts` of each dimension of the batch from `starts`."""

    starts: tuple[Affine, ...]
    counts: tuple[int, ...]

    @property
    def size(self) -> int:
        """How many heads."""
        return prod(self.counts)


@dataclass(frozen=True)
class Rows:
    """Keys or values on chip, [lanes, ...]: the steps from head to head, tile and neighbour."""

    ref: Ref
    heads: tuple[int, ...]
    tile: int
    key: int


class QueryLoader:
    """Moves operands between HBM and the blocks of a group."""

    def __init__(
        self, body: Body, builder: Builder, hw: Generation, space: Space, plan: QueryPlan
    ) -> None:
        self._body, self._b, self._hw, self._space, self._plan = body, builder, hw, space, plan
        self._ones: dict[str, Ref] = {}
        self.pool = Pool(builder, hw)

    def ones(self, name: str) -> Ref:
        """A block of ones of one type, made once."""
        if name not in self._ones:
            self._ones[name] = self._b.alloc(
                self._hw.partitions, self._hw.stationary_columns_max, BY_NAME[name]
            )
            self._b.fill(self._ones[name].all(), 1.0)
        return self._ones[name]

    def queries(self, group: Group) -> Ref:
        """The queries of a group on every partition of PSUM: [P, heads * depth]."""
        b, depth = self._b, self._space.extent(DEPTH)
        buffer, size = self._buffer("q"), group.size * depth
        kind = self.kind("q").name
        line = self.pool.take("line", 1, size, self.kind("q"), 2)
        pairs = merge_pairs(
            (*zip(self._space.strides("q", BATCH), group.counts, strict=True), (1, depth))
        )
        window = (buffer, self._space.offset("q", group.starts), 1)
        transfer(b, line, Affine(), (0, 1), window, pairs, False)
        widest = self._hw.matmul_columns_max
        banks = -(-size // widest)
        spread = self.pool.take("q", self._hw.partitions, banks * widest, _FLOAT, 2, "psum")
        one = self.ones(kind).at(0, ((1, self._hw.partitions),), 0, 1)
        for at in range(0, size, widest):
            some = ((1, min(widest, size - at)),)
            b.matmul(spread.at(at, some), one, line.at(at, some), ())
        return spread

    def rows(
        self,
        key: str,
        section: Section,
        group: Group,
        tiles: tuple[int, int],
        turns: int = 0,
    ) -> Rows:
        """Keys or values of some heads, of the tiles [first, first + count) of a section."""
        space, (first, count) = self._space, tiles
        step, heads = space.stride(key, KEYS), space.strides(key, BATCH)
        width = space.extent(_INNER[key])
        tile = section.lanes * section.together * step
        dims = [*zip(heads, group.counts, strict=True), (tile, count), (step, section.together)]
        # As HBM has them, so that runs are long.
        order = sorted(range(len(dims)), key=lambda d: (-dims[d][0], d))
        sizes = [dims[d][1] for d in order]
        columns = prod(sizes) * width
        ref = self.pool.take(key, section.lanes, columns, self.kind(key), turns)
        own = dict(zip(order, dense([*sizes, width]), strict=False))
        start = space.offset(key, group.starts) + (section.start * step + first * tile)
        window = (self._buffer(key), start, section.together * step)
        pairs = merge_pairs((*(dims[d] for d in order), (1, width)))
        transfer(self._b, ref, Affine(), (0, section.lanes), window, pairs, False)
        steps = [own[d] for d in range(len(dims))]
        return Rows(ref, tuple(steps[:-2]), steps[-2], steps[-1])

    def blocks(self, group: Group, psum: Ref) -> Ref:
        """The queries of a group with their depth on the partitions: [heads * depth, lines].

        Of the heads whose keys are one block, the depths lie below each other, and each head's
        queries have 0 beside the others' keys. Lines are by head of the pack, then by pack.
        """
        b, depth, pack = self._b, self._space.extent(DEPTH), self._plan.key_pack
        kind, lines = self.kind("q"), group.size * self._plan.rows
        flat = b.alloc(lines, pack * depth, kind)
        if pack > 1:
            b.fill(flat.all(), 0.0)
        strides, counts, step = self._lines("q", group, pack)
        tile = Tile((Affine(),) * len(counts), counts)
        base, size = self._space.offset("q", group.starts), lines // pack
        for a in range(pack):
            for first, count, shift, by in tile.pieces(strides):
                window = (self._buffer("q"), base + a * step + shift, by)
                lanes = (a * size + first, count)
                transfer(b, flat, Affine(a * depth), lanes, window, ((1, depth),), False)
        parts = parts_of(pack * depth, self._hw.partitions)
        turned = b.alloc(parts[0][1], len(parts) * lines, kind)
        for i, (start, width) in enumerate(parts):
            dst = psum.at(0, ((1, lines),), 0, width)
            b.transpose(dst, flat.at(start, ((1, width),)))
            b.cast(turned.at(i * lines, ((1, lines),), 0, width), dst)
        return turned

    def store_across(self, out: Ref, group: Group, start: int) -> None:
        """Write [heads of a pack * width, lines], of which `start` columns of a head are before."""
        width = min(self._space.extent(WIDTH), out.partitions)
        strides, counts, step = self._lines("out", group, self._plan.pack)
        pairs = merge_pairs(tuple(zip(strides, counts, strict=True)))
        base = self._space.offset("out", group.starts) + start
        for a in range(out.partitions // width):
            window = (self._body.outputs[0], base + a * step, 1)
            transfer(self._b, out, Affine(), (a * width, width), window, pairs, True)

    def store_rows(self, out: Ref, group: Group, start: int) -> None:
        """Write [lines, heads of a pack * width], of which `start` columns of a head are before."""
        width = min(self._space.extent(WIDTH), out.columns)
        strides, counts, step = self._lines("out", group, self._plan.pack)
        free = merge_pairs(((step, out.columns // width), (1, width)))
        base = self._space.offset("out", group.starts) + start
        tile = Tile((Affine(),) * len(counts), counts)
        for first, count, shift, by in tile.pieces(strides):
            window = (self._body.outputs[0], base + shift, by)
            transfer(self._b, out, Affine(), (first, count), window, free, True)

    def _lines(
        self, key: str, group: Group, pack: int
    ) -> tuple[tuple[int, ...], tuple[int, ...], int]:
        """How an operand walks the packs and their queries, (strides, counts), and its heads."""
        space = self._space
        strides, counts = list(space.strides(key, BATCH)), list(group.counts)
        step = strides[-1] if strides else 0
        if strides:
            strides[-1], counts[-1] = step * pack, counts[-1] // pack
        rows = space.strides(key, ROWS), space.extents(ROWS)
        return (*strides, *rows[0]), (*counts, *rows[1]), step

    def kind(self, key: str) -> ElementType:
        """The type of an operand's elements."""
        source = self._space.accesses[key].source
        assert source is not None
        return element(source)

    def _buffer(self, key: str) -> SSAValue:
        source = self._space.accesses[key].source
        assert source is not None
        return self._body.buffers[source]


def part(group: Group, starts: Sequence[int], counts: Sequence[int]) -> Group:
    """Some heads of a group."""
    return Group(shifted(group.starts, starts), tuple(counts))
