"""Tile an attention: scores stay in PSUM, weights in SBUF, and only the result goes to HBM.

    for each head { load and transpose k, v, q
      for each 128 queries, for each chunk of keys {
        psum = q.T @ k;  m' = max(m, max(psum));  p = exp(psum - m'), its sum on the way
        p.T by the tensor engine;  psum = p.T.T @ v
        acc = acc * exp(m - m') + psum;  sum = sum * exp(m - m') + sum(p) }
      store acc / sum }

Keys and values of a head lie on chip for all the queries that share them. The steps (a tile of
queries, a chunk of keys) form a pipeline of stages that every engine's queue holds in the same
order: scores of step t + 5, weights of step t + 4, their transpose of step t + 2, products with
values of step t + 1, the sum of step t. Arithmetic
between the contractions is float32 whatever the types of the program.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from math import prod

from xdsl.ir import BlockArgument, Operation, SSAValue

from neuronc.dialects.access import Access, Affine
from neuronc.dialects.stablehlo.contraction import DotGeneralOp
from neuronc.dialects.tile import ActivateOp, CastOp, MapPairOp, MapTensorOp
from neuronc.dtypes import BY_NAME
from neuronc.hardware import Generation
from neuronc.passes.attention import read_attention
from neuronc.passes.attention_beside import Block
from neuronc.passes.attention_plan import (
    LARGEST,
    SMALLEST,
    STEPS_TOGETHER,
    Chunk,
    RowTile,
    bank_columns,
    copy_engines,
    make_plan,
    score_banks,
)
from neuronc.passes.attention_short_plan import choose_group
from neuronc.passes.attention_space import BATCH, WIDTH, space_of
from neuronc.passes.body import Body, element, location
from neuronc.passes.builder import Builder
from neuronc.passes.operand import Operand, Ref
from neuronc.passes.tile_attention_load import Head, Loader
from neuronc.passes.tile_attention_scores import Scores
from neuronc.passes.tile_attention_short import ShortAttention

_FLOAT = BY_NAME["f32"]
STAGES = 2
"""Buffers of what one stage of the pipeline hands to the next."""
STORES = 8
"""Buffers of results on their way out: a store may have to wait until a head's loads are done."""


@dataclass(frozen=True)
class Step:
    """One tile of queries against one chunk of keys."""

    number: int
    head: int
    tile: RowTile
    chunk: Chunk
    first: bool
    last: bool

    @property
    def slot(self) -> int:
        """Which of the pipeline's buffers it has."""
        return self.number % STAGES


class AttentionLowering:
    """Emits one attention kernel."""

    def __init__(self, body: Body, builder: Builder, hw: Generation) -> None:
        self._body, self._b, self._hw = body, builder, hw
        order = {op: i for i, op in enumerate(body.block.ops)}
        found = (
            read_attention(op, order, _is_argument) for op in order if isinstance(op, DotGeneralOp)
        )
        it = next(a for a in found if a is not None)
        space = space_of(it, body.yielded[0], _is_argument)
        assert space is not None, "what was matched outside is the same inside"
        self._it, self._space = it, space
        self._plan = make_plan(space, it, hw)
        self._kind = element(it.value.operands[0])
        self._width = space.extent(WIDTH)
        kinds = (element(it.score.operands[0]), self._kind)
        self._load = Loader(body, builder, hw, space, self._plan, kinds)
        self._scores = Scores(body, builder, hw, space, it, self._plan)
        self._turns = 0
        self._stored = 0
        self._heads: list[Head] = []

    def run(self) -> None:
        """Emit the whole kernel: heads outermost, in one pipeline where they are few and short."""
        group = choose_group(self._space, self._it, self._plan, self._hw)
        if group is not None:
            found = (self._it, self._space, self._plan)
            ShortAttention(self._body, self._b, self._hw, found, group).run()
            return
        self._reserve()
        self._locate(self._it.score)
        self._scores.prepare()
        sizes = self._space.extents(BATCH)
        if prod(sizes) * sum(len(t.chunks) for t in self._plan.tiles) <= STEPS_TOGETHER:
            batches = [tuple(Affine(i) for i in at) for at in product(*map(range, sizes))]
            self._pipeline(batches)
            return
        for batch, _ in self._b.nest(sizes, [1] * len(sizes)):
            self._pipeline([batch])

    def _reserve(self) -> None:
        """The buffers of the pipeline: chunks of scores and weights, transposed weights, sums."""
        b, plan, rows = self._b, self._plan, self._hw.partitions
        chunk = max(c.count for t in plan.tiles for c in t.chunks)
        bank = bank_columns(_FLOAT, self._hw)
        banks = -(-chunk // bank)
        turns = score_banks(self._space, self._hw) // banks
        self._psum_scores = [b.alloc(rows, banks * bank, _FLOAT, "psum") for _ in range(turns)]
        wide = bank_columns(self._kind, self._hw)
        self._psum_turned = _halves(b.alloc(rows, wide, self._kind, "psum", STAGES))
        wide = STAGES * max(self._width, bank // STAGES)
        self._psum_results = _halves(b.alloc(rows, wide, _FLOAT, "psum", STAGES))
        self._weights = [b.alloc(rows, chunk, self._kind) for _ in range(STAGES + 1)]
        tiles = -(-chunk // plan.key_tile)
        self._turned = [b.alloc(rows, tiles * rows, self._kind) for _ in range(STAGES)]
        # A step's numbers of each row: the largest score, its product, the sum, the rescaling.
        self._numbers = [b.alloc(rows, _NUMBERS, _FLOAT) for _ in range(STAGES + 4)]
        self._sums = [b.alloc(rows, self._width, _FLOAT) for _ in range(STAGES)]
        self._outs = [
            b.alloc(rows, self._width, element(self._body.yielded[0])) for _ in range(STORES)
        ]

    def _steps(self, heads: int) -> list[Step]:
        steps: list[Step] = []
        for head in range(heads):
            for tile in self._plan.tiles:
                for i, chunk in enumerate(tile.chunks):
                    last = i == len(tile.chunks) - 1
                    steps.append(Step(len(steps), head, tile, chunk, i == 0, last))
        return steps

    def _pipeline(self, batches: list[tuple[Affine, ...]]) -> None:
        """Emit the stages of neighbouring steps together, so that no engine waits for another.

        What an engine does in one iteration, another made ready in the one before; of the vector
        engine the maxima come first, because the exponentials of the same iteration wait for them.
        """
        self._heads = [self._bring(batches[0])]
        self._load.turn(self._heads[0], self._psum_turned)
        steps = self._steps(len(batches))
        for at in range(len(steps) + 5):
            combined, added, turned, _, weighed, scored = (
                steps[i] if 0 <= i < len(steps) else None for i in range(at - 5, at + 1)
            )
            if weighed is not None:
                self._weigh(weighed)
            if scored is not None:
                self._score(scored)
            if combined is not None:
                self._combine(combined)
            if turned is not None:
                self._turn(turned)
            if added is not None:
                self._add(added)
            if scored is not None:
                self._prepare(scored, steps, batches)

    def _prepare(self, step: Step, steps: list[Step], batches: list[tuple[Affine, ...]]) -> None:
        """Load the next head with the first step of this one, and transpose it with the last."""
        following = step.head + 1
        if following == len(batches):
            return
        if len(self._heads) == following:
            self._heads.append(self._bring(batches[following]))
        if steps[step.number + 1].head == following:
            self._locate(self._it.score)
            self._load.turn(self._heads[following], self._psum_turned)

    def _bring(self, batch: tuple[Affine, ...]) -> Head:
        self._locate(self._it.score)
        return self._load.load(batch)

    def _score(self, step: Step) -> None:
        """The scores of a chunk."""
        self._locate(self._it.score)
        psum = self._scored(step)
        self._load.multiply(self._heads[step.head], psum, step.tile, step.chunk)

    def _scored(self, step: Step) -> Ref:
        """Where the scores of a chunk are."""
        return self._psum_scores[step.number % len(self._psum_scores)]

    def _weigh(self, step: Step) -> None:
        """The exponentials of the scores, and their sum."""
        psum, batch = self._scored(step), self._heads[step.head].batch
        scores = Block(psum, step.chunk.count, step.tile.size)
        block, scale = self._scores.emit(scores, batch, step.tile, step.chunk)
        source = block.of((), step.chunk.count)
        self._source("stablehlo.exponential")
        bias = self._shift(step, source, scale)
        pairs = ((1, step.chunk.count),)
        weights = self._weights[step.number % len(self._weights)].at(0, pairs, 0, step.tile.size)
        self._activate(weights, source, bias, scale, self._column(step, _SUM))

    def _shift(self, step: Step, source: Operand, scale: float) -> Operand:
        """The largest score so far, negated and scaled: the bias of the exponential.

        It is finite where all scores are -inf: their weights are 0, not NaN, and later chunks go
        on. Where a whole row is -inf, its sum is 0, and 0 / 0 is NaN as it should be.
        """
        largest, shift = self._column(step, _MAXIMUM), self._column(step, _SHIFT)
        self._b.reduce("maximum", largest, _as_row(source), 1)
        words: dict[str, object] = {"function0": "multiply", "function1": "minimum"}
        words |= {"immediate0": -scale, "reverse0": 0, "reverse1": 0}
        if step.first:
            slots = ("dst", "src")
            self._b.append(MapPairOp, (shift, largest), slots=slots, immediate1=LARGEST, **words)
            return shift
        before = self._column(step, _SHIFT, 1)
        slots = ("dst", "src", "scalar1")
        self._b.append(MapPairOp, (shift, largest, before), slots=slots, **words)
        self._activate(self._column(step, _RESCALE), before, shift, -1.0, None)
        return shift

    def _column(self, step: Step, which: int, back: int = 0) -> Operand:
        """One number of each row, of this step or of one before."""
        numbers = self._numbers[(step.number - back) % len(self._numbers)]
        return numbers.at(which, ((1, 1),), 0, step.tile.size)

    def _turn(self, step: Step) -> None:
        """The weights with keys on the partitions: some transposes, then one copy of them."""
        rows, tile = step.tile.size, self._plan.key_tile
        self._source("stablehlo.dot_general")
        weights, turned = self._weights[step.number % len(self._weights)], self._turned[step.slot]
        parts = [(k, min(tile, step.chunk.count - k)) for k in range(0, step.chunk.count, tile)]
        room = bank_columns(self._kind, self._hw) // STAGES // self._hw.partitions
        engines = copy_engines(
            step.chunk.count, self._width, rows * room, -(-len(parts) // room), self._hw
        )
        for number, start in enumerate(range(0, len(parts), room)):
            bank, column = self._psum_turned[self._turns % STAGES]
            self._turns += 1
            group = parts[start : start + room]
            for i, (k, count) in enumerate(group):
                dst = bank.at(column + i * rows, ((1, rows),), 0, count)
                self._b.transpose(dst, weights.at(k, ((1, count),), 0, rows))
            counts = [n for _, n in group]
            self._drain(turned, start * rows, (bank, column), counts, rows, engines[number])

    def _drain(
        self,
        turned: Ref,
        column: int,
        bank: tuple[Ref, int],
        counts: list[int],
        rows: int,
        engine: str,
    ) -> None:
        """Copy full key tiles at once, a short one by itself."""
        full = sum(n == self._plan.key_tile for n in counts)
        short = len(counts) - full
        for at, size, lanes in ((0, full, self._plan.key_tile), (full, short, counts[-1])):
            if size:
                pairs = ((1, size * rows),)
                dst = turned.at(column + at * rows, pairs, 0, lanes)
                src = bank[0].at(bank[1] + at * rows, pairs, 0, lanes)
                self._b.append(CastOp, (dst, src), engine=engine)

    def _sum(self, step: Step) -> Operand:
        """Where the weighted values of a chunk are summed."""
        ref, column = self._psum_results[step.slot]
        return ref.at(column, ((1, self._width),), 0, step.tile.size)

    def _add(self, step: Step) -> None:
        """The weighted values of a chunk."""
        rows, psum = step.tile.size, self._sum(step)
        self._locate(self._it.value)
        turned = self._turned[step.slot]
        for i, k in enumerate(range(0, step.chunk.count, self._plan.key_tile)):
            count = min(self._plan.key_tile, step.chunk.count - k)
            values = self._load.values(self._heads[step.head], step.chunk.start + k, count)
            stationary = turned.at(i * rows, ((1, rows),), 0, count)
            self._b.matmul(psum, stationary, values, () if i == 0 else None)

    def _combine(self, step: Step) -> None:
        """Add a chunk to what is summed so far; the last one divides and stores."""
        rows, width, psum = step.tile.size, self._width, self._sum(step)
        self._locate(self._it.value)
        total = self._column(step, _SUM)
        kept = self._sums[step.tile.number % STAGES].at(0, ((1, width),), 0, rows)
        if not step.first:
            rescale = self._column(step, _RESCALE)
            self._multiply_add(total, self._column(step, _SUM, 1), rescale, total)
            self._multiply_add(kept, kept, rescale, psum, width)
            psum = kept
        elif not step.last:
            self._b.cast(kept, psum)
        if step.last:
            self._divide(step, psum, total)

    def _divide(self, step: Step, sums: Operand, total: Operand) -> None:
        """Store sums / total: a division of one number a row is cheaper than one of each.

        The sum of a row that shows nothing is 0. Where a safe softmax makes that 0, it divides by
        the smallest normal number instead: all other sums are at least 1, by their largest score.
        """
        inverse = self._column(step, _INVERSE)
        if self._it.safe:
            words: dict[str, object] = {"function0": "maximum", "immediate0": SMALLEST}
            words |= {"function1": "divide", "immediate1": 1.0, "reverse0": 0, "reverse1": 1}
            self._b.append(MapPairOp, (inverse, total), slots=("dst", "src"), **words)
        else:
            self._b.map("divide", inverse, total, immediate=1.0, immediate_at=0)
        out = self._outs[self._stored % STORES]
        self._stored += 1
        factor = (inverse[0], _walk(inverse, self._width))
        dst = out.at(0, ((1, self._width),), 0, step.tile.size)
        self._b.map("multiply", dst, sums, factor)
        batch = self._heads[step.head].batch
        self._load.store(out, step.tile, batch, self._body.outputs[0])

    def _activate(
        self, dst: Operand, src: Operand, bias: Operand, scale: float, total: Operand | None
    ) -> None:
        """Dst = exp(scale * src + bias), and its sums."""
        operands, slots = [dst, src, bias], ["dst", "src", "bias"]
        if total is not None:
            operands.append(total)
            slots.append("row_sum")
        words = {"function": "exponential", "scale": scale, "slots": tuple(slots)}
        self._b.append(ActivateOp, operands, **words)

    def _multiply_add(
        self, dst: Operand, src: Operand, factor: Operand, other: Operand, width: int = 1
    ) -> None:
        """Dst = src * factor + other."""
        factor = (factor[0], _walk(factor, width))
        words = {"function0": "multiply", "function1": "add", "reverse0": 0, "reverse1": 0}
        slots = ("dst", "src", "scalar", "tensor")
        self._b.append(MapTensorOp, (dst, src, factor, other), slots=slots, **words)

    def _locate(self, op: Operation) -> None:
        self._b.loc, self._b.source = location(op), op.name

    def _source(self, name: str) -> None:
        self._b.source = name


_MAXIMUM, _SHIFT, _SUM, _RESCALE, _INVERSE, _NUMBERS = range(6)


def _halves(bank: Ref) -> list[tuple[Ref, int]]:
    """A block of PSUM as two that take turns: the block, and the column where each begins."""
    return [(bank, i * bank.columns // STAGES) for i in range(STAGES)]


def _walk(column: Operand, width: int) -> Access:
    """A column read for each of `width` elements."""
    access = column[1]
    return Access(access.offset, ((0, width),), access.partition_start, access.partitions)


def _as_row(block: Operand) -> Operand:
    """A block as one row of columns, of which a reduction leaves one number."""
    access = block[1]
    return block[0], replace(access, pairs=((0, 1), *access.pairs))


def _is_argument(value: SSAValue) -> bool:
    return isinstance(value, BlockArgument)
