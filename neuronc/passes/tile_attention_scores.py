"""What happens to a chunk of scores between the contraction and the softmax.

Factors are not multiplied but handed on, to the scalar engine's scale. A predicate of positions
costs nothing where it shows a whole block, and a select against a pattern, made once for the
kernel, where it shows a part. Everything else is computed op by op in float32 on a block in SBUF,
masks and biases loaded by tile, what they are broadcast along only once.
"""

from __future__ import annotations

from math import prod

import numpy as np
from xdsl.ir import Operation

from neuronc.dialects.access import Affine
from neuronc.dtypes import BY_NAME
from neuronc.hardware import Generation
from neuronc.passes.attention import Attention
from neuronc.passes.attention_beside import ONE, Beside, Block, Pairs, placed, taken
from neuronc.passes.attention_plan import (
    Chunk,
    Plan,
    RowTile,
    bounds,
    hidden_number,
    scale_of,
    shown_inverted,
)
from neuronc.passes.attention_space import BATCH, KEYS, ROWS, Space
from neuronc.passes.body import Body, element, location
from neuronc.passes.builder import Builder
from neuronc.passes.functions import function_name, map_function
from neuronc.passes.iteration import Tile
from neuronc.passes.operand import Operand, Ref, shape_pairs
from neuronc.passes.transfer import transfer, write_numbers
from neuronc.passes.views import splat_of

_FLOAT, _BOOLEAN, _NUMBER = BY_NAME["f32"], BY_NAME["i1"], BY_NAME["i32"]
_Pattern = tuple[Operation, int, tuple[int, ...], int]


class Scores:
    """Emits the chain of one attention."""

    def __init__(
        self,
        body: Body,
        builder: Builder,
        hw: Generation,
        space: Space,
        it: Attention,
        plan: Plan,
    ) -> None:
        self._body, self._b, self._hw = body, builder, hw
        self._space, self._it, self._plan = space, it, plan
        self._patterns: dict[_Pattern, Ref] = {}
        self._hidden: dict[Operation, Ref] = {}
        self._batch: tuple[Affine, ...] = ()
        self._beside = ONE

    def prepare(self) -> None:
        """Make what all heads share: the patterns of predicates, the numbers that hide."""
        for op, scale in self._selects():
            ref = self._b.alloc(self._hw.partitions, 1, _FLOAT)
            self._b.fill(ref.all(), _single(hidden_number(op) / scale))
            self._hidden[op] = ref
            for tile in self._plan.tiles:
                for chunk in tile.chunks:
                    for start, count in self._partly(op, tile, chunk):
                        self._make(op, tile, start, count)

    def emit(
        self,
        scores: Block,
        batch: tuple[Affine, ...],
        tile: RowTile,
        chunk: Chunk,
        beside: Beside = ONE,
    ) -> tuple[Block, float]:
        """The scores after the chain: where they are, and a factor that is still to come.

        The heads are those `beside` the one at `batch`.
        """
        self._batch, self._beside = batch, beside
        place, scale = scores, 1.0
        for op in self._it.chain:
            self._b.loc, self._b.source = location(op), op.name
            factor = scale_of(op)
            if factor is not None:
                scale *= factor
            elif op in self._it.visible:
                self._select(op, place, tile, chunk)
            else:
                if scale != 1.0:
                    scaled, flat = self._alloc(tile, chunk), beside.flat
                    blocks = scaled.of(flat, chunk.count), place.of(flat, chunk.count)
                    self._b.map("multiply", *blocks, immediate=scale, immediate_at=1)
                    place, scale = scaled, 1.0
                made = self._alloc(tile, chunk)
                self._compute(op, made, place, tile, chunk)
                place = made
        return place, scale

    def _alloc(self, tile: RowTile, chunk: Chunk) -> Block:
        """A block of its own for the scores of all heads."""
        ref = self._b.alloc(tile.size, self._beside.size * chunk.count, _FLOAT)
        return Block(ref, chunk.count, tile.size)

    def _selects(self) -> list[tuple[Operation, float]]:
        """The selects by position, and the factor that is pending where each stands."""
        found: list[tuple[Operation, float]] = []
        scale = 1.0
        for op in self._it.chain:
            factor = scale_of(op)
            if factor is not None:
                scale *= factor
            elif op in self._it.visible:
                found.append((op, scale))
            else:
                scale = 1.0
        return found

    def _partly(self, op: Operation, tile: RowTile, chunk: Chunk) -> list[tuple[int, int]]:
        """The blocks of a chunk that a predicate does not show whole: (first key, count)."""
        found: list[tuple[int, int]] = []
        for at in range(chunk.start, chunk.start + chunk.count, self._plan.key_tile):
            count = min(self._plan.key_tile, chunk.start + chunk.count - at)
            low, high = bounds(self._space, op, tile.starts, tile.counts, at, count)
            if (high >= 0) if shown_inverted(op) else (low < 0):
                found.append((at, count))
        return found

    def _pattern(self, op: Operation, tile: RowTile, start: int, count: int) -> _Pattern:
        """What makes the pattern of one block the same as that of another."""
        space = self._space
        rows = zip(space.strides(op, ROWS), tile.starts, strict=True)
        base = space.accesses[op].offset + sum(s * n for s, n in rows)
        return op, base + space.stride(op, KEYS) * start, tile.counts, count

    def _make(self, op: Operation, tile: RowTile, start: int, count: int) -> None:
        """A block that is true where the scores show."""
        key = self._pattern(op, tile, start, count)
        if key in self._patterns:
            return
        _, base, counts, _ = key
        pattern = self._b.alloc(tile.size, count, _BOOLEAN)
        number = self._b.alloc(tile.size, count, _NUMBER)
        rows = Tile((Affine(),) * len(counts), counts)
        free = ((self._space.stride(op, KEYS), count),)
        for at, lanes, shift, step in rows.pieces(self._space.strides(op, ROWS)):
            write_numbers(self._b, number, (at, lanes), Affine(base + shift), step, free)
        self._b.map("ge", pattern.all(), number.all(), immediate=0.0, immediate_at=1)
        self._patterns[key] = pattern

    def _select(self, op: Operation, scores: Block, tile: RowTile, chunk: Chunk) -> None:
        """Put the number that hides where a predicate of positions does not show."""
        flat = self._beside.flat
        alike = tuple((0, n) for n in flat)
        for start, count in self._partly(op, tile, chunk):
            pattern = self._patterns[self._pattern(op, tile, start, count)]
            block = scores.of(flat, count, start - chunk.start)
            number = self._hidden[op].at(0, (*alike, (0, count)), 0, tile.size)
            chosen = (number, block) if shown_inverted(op) else (block, number)
            self._b.map("select", block, pattern[(*alike, (1, count))], *chosen)

    def _compute(
        self, op: Operation, made: Block, place: Block, tile: RowTile, chunk: Chunk
    ) -> None:
        """One op on the blocks of all heads."""
        loads = [(op, i) for i in range(len(op.operands)) if (op, i) in self._it.loads]
        strides = [self._space.strides(load, BATCH) for load in loads if self._beside.counts]
        sizes, walks = self._beside.walk(strides)
        over = dict(zip(loads, walks, strict=False))
        sources: list[Operand | float] = []
        select = function_name(op) == "select"
        for index, value in enumerate(op.operands):
            splat = splat_of(value)
            if splat is not None and select and index:
                filled = self._b.alloc(tile.size, 1, _FLOAT)
                self._b.fill(filled.all(), _single(float(splat)))
                sources.append(filled[tuple((0, n) for n in (*sizes, chunk.count))])
            elif splat is not None:
                sources.append(float(splat))
            elif (op, index) in self._it.loads:
                kind = element(value)
                wide = select and index > 0 and kind is not _FLOAT
                heads = over.get((op, index), ())
                sources.append(self._loaded((op, index), heads, tile, chunk, wide))
            else:
                sources.append(place.of(sizes, chunk.count))
        map_function(self._b, op, made.of(sizes, chunk.count), sources, tile.size)

    def _loaded(
        self,
        key: tuple[Operation, int],
        heads: Pairs,
        tile: RowTile,
        chunk: Chunk,
        wide: bool,
    ) -> Operand:
        """The part of a mask or bias beside the blocks of scores, for each head that has its own.

        `heads` walks them in HBM.
        """
        space, kind = self._space, element(key[0].operands[key[1]])
        step = space.stride(key, KEYS)
        width, many = chunk.count if step else 1, taken(heads)
        columns = width * prod(n for _, n in many)
        ref = self._b.alloc(tile.size, columns, kind)
        rows = Tile(tuple(Affine(s) for s in tile.starts), tile.counts)
        strides = space.strides(key, ROWS)
        base = space.offset(key, self._batch) + rows.offset(strides) + step * chunk.start
        source = space.accesses[key].source
        assert source is not None
        buffer = self._body.buffers[source]
        for at, lanes, shift, stride in rows.pieces(strides):
            window = (buffer, base + shift, stride)
            free = (*many, (step, width))
            transfer(self._b, ref, Affine(), (at, lanes), window, free, False)
        apart = self._plan.together if step else 1
        if wide or apart > 1:
            loaded, ref = ref, self._b.alloc(tile.size, columns, _FLOAT if wide else kind)
            group, lanes = apart * self._plan.key_tile, self._plan.key_tile
            if apart > 1:
                pairs = ((group, columns // group), (1, apart), (apart, lanes))
                self._b.cast(ref[shape_pairs([n for _, n in pairs])], loaded[pairs])
            else:
                self._b.cast(ref.all(), loaded.all())
        return ref[(*placed(heads, width), (1 if step else 0, chunk.count))]


def _single(value: float) -> float:
    """The float32 nearest to a number, or an infinity."""
    with np.errstate(over="ignore"):
        return float(np.float32(value))
