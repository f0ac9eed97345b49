"""Tile attention over short rows of scores: several heads at once, side by side in a PSUM bank.

    for each G heads { load k, v, q;  transpose k, q, as many heads at a time as partitions hold
      psum[rows, G, keys] = q.T @ k, head by head;  m[rows, G] = max over keys
      p = exp(psum - m);  sum[rows, G] = sum over keys
      p.T by the tensor engine, a bank of heads;  psum[rows, G, width] = p.T.T @ v, head by head
      store psum / sum }

A row of scores is one chunk, so the softmax is exact. Where a head has few columns, the fixed cost
of an instruction is most of it: so all that is elementwise is one instruction for all heads. The
bias of the scalar engine is one number a partition: `Group.together` says whether the maxima are
subtracted by the vector engine at once, or by an exponential for each head that also sums.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from xdsl.ir import Operation

from neuronc.dialects.access import Affine
from neuronc.dialects.tile import ActivateOp, MapPairOp
from neuronc.dtypes import BY_NAME
from neuronc.hardware import Generation
from neuronc.passes.attention import Attention
from neuronc.passes.attention_beside import Beside, Block, Group
from neuronc.passes.attention_plan import LARGEST, Plan, RowTile
from neuronc.passes.attention_space import BATCH, WIDTH, Space
from neuronc.passes.body import Body, element, location
from neuronc.passes.builder import Builder
from neuronc.passes.operand import Ref
from neuronc.passes.tile_attention_scores import Scores
from neuronc.passes.tile_attention_short_load import Banks, Heads, ShortLoader, Turned
from neuronc.passes.tile_attention_softmax import invert

_FLOAT = BY_NAME["f32"]


@dataclass(frozen=True)
class Weights:
    """Where the exponentials of one head are: [rows, keys] from a column on."""

    ref: Ref
    start: int


class ShortAttention:
    """Emits one attention kernel whose rows of scores are one short chunk each."""

    def __init__(
        self,
        body: Body,
        builder: Builder,
        hw: Generation,
        found: tuple[Attention, Space, Plan],
        group: Group,
    ) -> None:
        self._body, self._b, self._hw, self._group = body, builder, hw, group
        self._it, self._space, self._plan = found
        self._kind = element(self._it.value.operands[0])
        self._width = self._space.extent(WIDTH)
        kinds = (element(self._it.score.operands[0]), self._kind)
        self._load = ShortLoader(body, builder, hw, self._space, self._plan, kinds)
        self._scores = Scores(body, builder, hw, self._space, self._it, self._plan)

    def run(self) -> None:
        """Emit the whole kernel: what is loaded together outermost."""
        self._locate(self._it.score)
        self._b.tilings.append(str(self._group))
        self._scores.prepare()
        for batch, loaded in self._b.nest(self._space.extents(BATCH), self._group.loaded):
            self._locate(self._it.score)
            heads = self._load.load(batch, loaded)
            for starts, counts in self._b.nest(loaded, self._group.counts):
                self._heads(heads, starts, Beside(counts))

    def _heads(self, heads: Heads, starts: tuple[Affine, ...], beside: Beside) -> None:
        """All tiles of queries of the heads that are side by side."""
        self._locate(self._it.score)
        first = Affine()
        for d, start in enumerate(starts):
            first = first + start * prod(heads.counts[d + 1 :])
        banks = Banks.of(self._b, self._kind, self._group.banks, self._hw)
        turned = self._load.turn(heads, first, beside.size, banks)
        batch = tuple(a + b for a, b in zip(heads.batch, starts, strict=True))
        for tile in self._plan.tiles:
            scores = self._score(banks, turned, tile, beside)
            weights, total = self._weigh(scores, batch, tile, beside)
            sums = self._add(banks, heads, first, weights, tile)
            self._divide(sums, total, batch, (tile, beside))

    def _score(
        self, banks: Banks, turned: tuple[Turned, Turned], tile: RowTile, beside: Beside
    ) -> Block:
        """The scores of all heads."""
        self._locate(self._it.score)
        (chunk,) = tile.chunks
        queries, keys = turned
        psum = banks.scores[tile.number % len(banks.scores)]
        for head in range(beside.size):
            dst = psum.at(head * chunk.count, ((1, chunk.count),), 0, tile.size)
            for part in range(len(queries.parts)):
                stationary = queries.of(head, part, tile.column, tile.size)
                moving = keys.of(head, part, chunk.start, chunk.count)
                self._b.matmul(dst, stationary, moving, () if part == 0 else None)
        return Block(psum, chunk.count, tile.size)

    def _weigh(
        self, scores: Block, batch: tuple[Affine, ...], tile: RowTile, beside: Beside
    ) -> tuple[list[Weights], Ref]:
        """[rows, keys] exponentials of the scores of each head, and their sums [rows, heads]."""
        (chunk,) = tile.chunks
        block, scale = self._scores.emit(scores, batch, tile, chunk, beside)
        self._b.source = "stablehlo.exponential"
        largest = self._b.alloc(tile.size, beside.size, _FLOAT)
        each = block.of((beside.size,), chunk.count)
        self._b.reduce("maximum", largest.all(), each, 1)
        if self._group.together:
            return self._at_once(block, chunk.count, largest, scale)
        return self._by_head(block, chunk.count, largest, scale)

    def _at_once(
        self, scores: Block, keys: int, largest: Ref, scale: float
    ) -> tuple[list[Weights], Ref]:
        """exp(scale * (scores - largest)), where a row that shows nothing has a finite largest."""
        rows, heads = largest.partitions, largest.columns
        finite, total = (self._b.alloc(rows, heads, _FLOAT) for _ in range(2))
        self._b.map("maximum", finite.all(), largest.all(), immediate=-LARGEST, immediate_at=1)
        rest, made = (
            Block(self._b.alloc(rows, heads * keys, kind), keys, rows)
            for kind in (_FLOAT, self._kind)
        )
        alike = finite[((1, heads), (0, keys))]
        self._b.map("subtract", rest.of((heads,), keys), scores.of((heads,), keys), alike)
        words = {"function": "exponential", "scale": scale, "slots": ("dst", "src")}
        self._b.append(ActivateOp, [made.ref.all(), rest.ref.all()], **words)
        self._b.reduce("add", total.all(), made.of((heads,), keys), 1)
        return [Weights(made.ref, head * keys) for head in range(heads)], total

    def _by_head(
        self, scores: Block, keys: int, largest: Ref, scale: float
    ) -> tuple[list[Weights], Ref]:
        """exp(scale * scores - shift) of each head, and its sums on the way."""
        rows, heads = largest.partitions, largest.columns
        shift, total = (self._b.alloc(rows, heads, _FLOAT) for _ in range(2))
        words: dict[str, object] = {"function0": "multiply", "function1": "minimum"}
        words |= {"immediate0": -scale, "immediate1": LARGEST, "reverse0": 0, "reverse1": 0}
        self._b.append(MapPairOp, (shift.all(), largest.all()), slots=("dst", "src"), **words)
        slots = ("dst", "src", "bias", "row_sum")
        words = {"function": "exponential", "scale": scale, "slots": slots}
        made = [Weights(self._b.alloc(rows, keys, self._kind), 0) for _ in range(heads)]
        for head, weights in enumerate(made):
            numbers = [ref.at(head, ((1, 1),)) for ref in (shift, total)]
            source = scores.of((), keys, head * scores.step)
            self._b.append(ActivateOp, [weights.ref.all(), source, *numbers], **words)
        return made, total

    def _add(
        self,
        banks: Banks,
        heads: Heads,
        first: Affine,
        weights: list[Weights],
        tile: RowTile,
    ) -> Block:
        """The weighted values of all heads: their weights turned, keys on the partitions."""
        (chunk,), rows, lanes = tile.chunks, tile.size, self._plan.key_tile
        psum = banks.results[tile.number % len(banks.results)]
        for k in range(0, chunk.count, lanes):
            count = min(lanes, chunk.count - k)
            self._b.source = "stablehlo.dot_general"
            turned = self._b.alloc(count, len(weights) * rows, self._kind)
            blocks = [(w.ref.at(w.start + k, ((1, count),)), rows) for w in weights]
            banks.transpose(turned, count, blocks)
            self._locate(self._it.value)
            for head in range(len(weights)):
                dst = psum.at(head * self._width, ((1, self._width),), 0, rows)
                stationary = turned.at(head * rows, ((1, rows),))
                values = self._load.values(heads, first + head, (chunk.start + k) // lanes)
                self._b.matmul(dst, stationary, values, None if k else ())
        return Block(psum, self._width, rows)

    def _divide(
        self,
        sums: Block,
        total: Ref,
        batch: tuple[Affine, ...],
        which: tuple[RowTile, Beside],
    ) -> None:
        """Store sums / total, a division for each row and head."""
        self._locate(self._it.value)
        tile, beside = which
        inverse = self._b.alloc(tile.size, beside.size, _FLOAT)
        invert(self._b, inverse.all(), total.all(), self._it.safe)
        kind, columns = element(self._body.yielded[0]), beside.size * self._width
        out, heads = self._b.alloc(tile.size, columns, kind), beside.flat
        factor = inverse[(*((1, n) for n in heads), (0, self._width))]
        made = Block(out, self._width, tile.size)
        self._b.map("multiply", made.of(heads, self._width), sums.of(heads, self._width), factor)
        rows = self._load.rows[tile.number]
        self._load.store(out, rows, (batch, beside.counts))

    def _locate(self, op: Operation) -> None:
        self._b.loc, self._b.source = location(op), op.name
