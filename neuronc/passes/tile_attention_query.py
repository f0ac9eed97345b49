"""Tile an attention of few queries a head: all heads at once, keys on the partitions.

    for each group of heads { load k, v
      psum = q on all partitions;  for some heads { s = the sums of k * psum }
      m = max(s, over all partitions, by two transposes);  p = exp(s - m);  psum = sums of p
      for each pack of heads, for each key of a partition { psum += v.T @ p }
      store psum / sums }

With a row of scores on one partition, as a tile of queries has it, 127 others are idle. Here the
softmax of all heads is a few instructions, scores are products on the vector engine, so that keys
need no transposes, and weights lie as the second contraction wants them. Values are its stationary
operand: the result has its width on the partitions, which is how the projection after it reads it.
Scores of all keys stay on chip, so the softmax is exact however long the cache.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from math import prod

from xdsl.ir import Operation

from neuronc.dialects.access import Affine
from neuronc.dialects.tile import ActivateOp
from neuronc.dtypes import BY_NAME
from neuronc.hardware import Generation
from neuronc.passes.attention import Attention
from neuronc.passes.attention_plan import LARGEST, parts_of
from neuronc.passes.attention_space import BATCH, WIDTH, Space
from neuronc.passes.body import Body, element, location
from neuronc.passes.builder import Builder
from neuronc.passes.contraction import cut
from neuronc.passes.operand import Operand, Ref
from neuronc.passes.tile_attention_query_load import Group, QueryLoader, Rows, part
from neuronc.passes.tile_attention_query_plan import (
    QueryPlan,
    even_shape,
)
from neuronc.passes.tile_attention_query_pool import Pool
from neuronc.passes.tile_attention_query_products import TensorProducts, VectorProducts
from neuronc.passes.tile_attention_query_scores import QueryScores
from neuronc.passes.tile_attention_softmax import invert

_FLOAT = BY_NAME["f32"]
GROUPS_TOGETHER = 8
"""Most groups that are one pipeline; more are a loop."""
_MAXIMA, _SHIFTS, _SUMS, _RESULTS, _PARTS = range(5)


class QueryLowering:
    """Emits one attention kernel."""

    def __init__(
        self,
        body: Body,
        builder: Builder,
        hw: Generation,
        it: Attention,
        space: Space,
        plan: QueryPlan,
    ) -> None:
        self._body, self._b, self._hw, self._it, self._space = body, builder, hw, it, space
        self._plan = plan
        self._kind = element(it.value.operands[0])
        self._width = space.extent(WIDTH)
        self._load = QueryLoader(body, builder, hw, space, plan)
        made = TensorProducts if plan.key_pack else VectorProducts
        self._products = made(builder, hw, space, plan, self._load)
        self._chain = QueryScores(body, builder, space, it, plan)

    def run(self) -> None:
        """Emit the whole kernel: groups in one pipeline where they are few, else a loop."""
        sizes = self._space.extents(BATCH)
        self._locate(self._it.score)
        self._load.ones("f32")
        if not self._plan.key_pack:
            self._load.ones(self._load.kind("q").name)
        self._chain.prepare()
        cuts = [range(0, n, some) for n, some in zip(sizes, self._plan.heads, strict=True)]
        if prod(len(c) for c in cuts) <= GROUPS_TOGETHER:
            starts = [tuple(Affine(i) for i in at) for at in product(*cuts)]
            self._pipeline([Group(at, self._plan.heads) for at in starts])
            return
        for starts, counts in self._b.nest(sizes, self._plan.heads):
            self._pipeline([Group(starts, counts)])

    def _pipeline(self, groups: list[Group]) -> None:
        """Emit the groups; the scores of the next come before the softmax of one."""
        self._load.pool = Pool(self._b, self._hw)
        self._sides = 2 if len(groups) > 1 else 1
        begun = self._begin(groups[0])
        for following in groups[1:]:
            before, begun = begun, self._begin(following)
            self._end(before)
        self._end(begun)

    def _begin(self, group: Group) -> _Begun:
        """Load a group and score it."""
        self._locate(self._it.score)
        sections = self._plan.sections
        scores = self._products.of(group)
        self._locate(self._it.value)
        packs = even_shape(group.counts, self._plan.pack)
        places = cut(group.counts, packs)
        turns = self._sides * len(places)
        values = [
            [self._load.rows("v", s, part(group, at, n), (0, s.tiles), turns) for s in sections]
            for at, n in places
        ]
        return _Begun(group, scores, values)

    def _end(self, begun: _Begun) -> None:
        """The softmax of a group, its product with the values, and the result."""
        group, lanes = begun.group, self._hw.stationary_columns_max
        columns, take = _PARTS * lanes, self._load.pool.take
        small = take("small", self._hw.partitions, columns, _FLOAT, 2, "psum", _PARTS)
        chained = [
            self._chain.emit(s, section, group)
            for s, section in zip(begun.scores, self._plan.sections, strict=True)
        ]
        scale = chained[0][1]
        lines = group.size * self._plan.rows
        weights = self._weigh([s for s, _ in chained], scale, small, lines)
        self._locate(self._it.value)
        self._sum(weights, small, lines)
        self._multiply(begun, weights, small, lines)
        self._store(group, small, lines)

    def _weigh(self, scores: list[Ref], scale: float, small: Ref, lines: int) -> list[Ref]:
        """The exponentials of scores less the largest of their line, [lanes, lines, keys]."""
        self._b.source = "stablehlo.exponential"
        shift = self._largest(scores, small, lines)
        weights: list[Ref] = []
        for block in scores:
            lanes, keys = block.partitions, block.columns // lines
            pairs = ((keys, lines), (1, keys))
            top = (shift[0], replace(shift[1], pairs=((1, lines), (0, keys)), partitions=lanes))
            self._b.map("subtract", block[pairs], block[pairs], top)
            made = self._b.alloc(lanes, block.columns, self._kind)
            words = {"function": "exponential", "scale": scale, "slots": ("dst", "src")}
            self._b.append(ActivateOp, (made.all(), block.all()), **words)
            weights.append(made)
        return weights

    def _largest(self, scores: list[Ref], small: Ref, lines: int) -> Operand:
        """The largest score of each head on every partition: [P, lines] in PSUM.

        A transpose has the maxima of all partitions beside each other, another one brings the
        largest back. It is finite where all scores are -inf: their weights are 0, not NaN, so that
        a sum of 0 makes the row what it should be, NaN or 0.
        """
        b, all_lanes = self._b, self._hw.stationary_columns_max
        maxima = self._each(scores, lines, "maximum")
        lanes = maxima.partitions
        turned = small.at(_MAXIMA * all_lanes, ((1, lanes),), 0, lines)
        b.transpose(turned, maxima.all())
        row = small.at(_MAXIMA * all_lanes, ((0, 1), (1, lanes)), 0, lines)
        largest = b.alloc(lines, 1, _FLOAT)
        b.reduce("maximum", largest.all(), row, 1)
        spread = b.alloc(lines, all_lanes, _FLOAT)
        source = largest[((0, all_lanes),)]
        b.map("maximum", spread.all(), source, immediate=-LARGEST, immediate_at=1)
        shift = small.at(_SHIFTS * all_lanes, ((1, lines),), 0, all_lanes)
        b.transpose(shift, spread.all())
        return shift

    def _each(self, blocks: list[Ref], lines: int, function: str) -> Ref:
        """What each partition has of each head, [lanes, lines], of all sections together."""
        made: list[Ref] = []
        for block in blocks:
            keys = block.columns // lines
            made.append(self._b.alloc(block.partitions, lines, _FLOAT))
            dst, src = made[-1][((1, lines),)], block[((keys, lines), (1, keys))]
            self._b.reduce(function, dst, src, 1)
        first, *others = made
        for other in others:
            some = first.at(0, ((1, lines),), 0, other.partitions)
            self._b.map(function, some, some, other.all())
        return first

    def _sum(self, weights: list[Ref], small: Ref, lines: int) -> None:
        """The sum of the weights of each head on every partition, by a product with 1."""
        lanes = self._hw.stationary_columns_max
        sums = self._each(weights, lines, "add")
        one = self._load.ones("f32").at(0, ((1, lanes),), 0, sums.partitions)
        self._b.matmul(small.at(_SUMS * lanes, ((1, lines),)), one, sums.all(), ())

    def _multiply(self, begun: _Begun, weights: list[Ref], small: Ref, lines: int) -> None:
        """The sums of weighted values: [heads of a pack * width, lines], of which a part counts."""
        size, lanes = self._plan.pack * self._plan.rows, self._hw.stationary_columns_max
        for number, values in enumerate(begun.values):
            at = number * size
            for start, width in self._widths():
                column = _RESULTS * lanes + start // lanes * lines + at
                dst = small.at(column, ((1, size),), 0, width)
                self._multiply_pack(dst, values, weights, lines, (at, start, width))

    def _multiply_pack(
        self,
        dst: Operand,
        values: list[Rows],
        weights: list[Ref],
        lines: int,
        what: tuple[int, int, int],
    ) -> None:
        """The heads of one pack, over all keys."""
        (at, start, width), pack = what, self._plan.pack
        size, first = pack * self._plan.rows, True
        for rows, block, section in zip(values, weights, self._plan.sections, strict=True):
            keys = block.columns // lines
            step = rows.heads[-1] if rows.heads else 0
            pairs = ((step, pack), (1, width // pack)) if pack > 1 else ((1, width),)
            for n in range(keys):
                tile, key = divmod(n, section.together)
                stationary = rows.ref.at(tile * rows.tile + key * rows.key + start, pairs)
                moving = block.at(at * keys + n, ((keys, size),))
                self._b.matmul(dst, stationary, moving, () if first else None)
                first = False

    def _store(self, group: Group, small: Ref, lines: int) -> None:
        """Divide by the sums, and store."""
        b, lanes = self._b, self._hw.stationary_columns_max
        inverse = self._inverse(small.at(_SUMS * lanes, ((1, lines),)), lines)
        pack, rows = self._plan.pack, self._plan.rows
        target, size = element(self._body.yielded[0]), lines // pack
        layout = b.residents.layout_of(self._body.outputs[0])
        across = layout is not None and layout.across
        for start, width in self._widths():
            out = b.alloc(width, size, target if across else _FLOAT)
            column = _RESULTS * lanes + start // lanes * lines
            for a in range(pack):
                part = (a * width // pack, width // pack)
                pairs = ((pack * rows, size // rows), (1, rows))
                made = out.at(0, ((rows, size // rows), (1, rows)), *part)
                sums = small.at(column + a * rows, pairs, *part)
                b.map("multiply", made, sums, inverse.at(a * rows, pairs, *part))
            if across:
                self._load.store_across(out, group, start)
                continue
            turned = small.at(_MAXIMA * lanes, ((1, width),), 0, size)
            b.transpose(turned, out.all())
            kept = b.alloc(size, width, target)
            b.cast(kept.all(), turned)
            self._load.store_rows(kept, group, start)

    def _inverse(self, total: Operand, lines: int) -> Ref:
        """1 / sums on every partition."""
        inverse = self._b.alloc(self._hw.partitions, lines, _FLOAT)
        invert(self._b, inverse.all(), total, self._it.safe)
        return inverse

    def _widths(self) -> list[tuple[int, int]]:
        """The width of a result, or of a pack, cut to fit on the partitions: (start, count)."""
        return parts_of(self._width * self._plan.pack, self._hw.partitions)

    def _locate(self, op: Operation) -> None:
        self._b.loc, self._b.source = location(op), op.name


@dataclass(frozen=True)
class _Begun:
    """A group of which the scores are there, and the values on their way: one list a pack."""

    group: Group
    scores: list[Ref]
    values: list[list[Rows]]
