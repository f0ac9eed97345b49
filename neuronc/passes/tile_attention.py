"""Tile an attention: scores stay in PSUM, weights in SBUF, and only the result goes to HBM.

    for each head { load and transpose k, v, q
      for each 128 queries, for each chunk of keys {
        psum = q.T @ k;  m' = max(m, max(psum));  p = exp(psum - m'), its sum on the way
        p.T by the tensor engine;  psum = p.T.T @ v
        acc = acc * exp(m - m') + psum;  sum = sum * exp(m - m') + sum(p) }
      store acc / sum }

Keys and values of a head lie on chip for all the queries that share them. The steps (a tile of
queries, a chunk of keys) form a pipeline of three stages that every engine's queue holds in the
same order: scores of step t + 2, transposed weights of step t + 1, result of step t. Arithmetic
between the contractions is float32 whatever the types of the program.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from xdsl.ir import BlockArgument, Operation, SSAValue

from neuronc.dialects.access import Access, Affine
from neuronc.dialects.stablehlo.contraction import DotGeneralOp
from neuronc.dialects.tile import ActivateOp, MapTensorOp
from neuronc.dtypes import BY_NAME
from neuronc.hardware import Generation
from neuronc.passes.attention import read_attention
from neuronc.passes.attention_plan import Chunk, RowTile, make_plan
from neuronc.passes.attention_space import BATCH, WIDTH, space_of
from neuronc.passes.body import Body, element, location
from neuronc.passes.builder import Builder, Operand, Ref
from neuronc.passes.tile_attention_load import Loader
from neuronc.passes.tile_attention_scores import Scores

_FLOAT = BY_NAME["f32"]
_LOWEST = -3.4028234663852886e38
STAGES = 2
"""Buffers of what one stage of the pipeline hands to the next."""


@dataclass
class Step:
    """One tile of queries against one chunk of keys."""

    number: int
    tile: RowTile
    chunk: Chunk
    first: bool
    last: bool
    slot: int
    """Which of the pipeline's buffers it has."""
    weights: Ref | None = None
    rescale: Operand | None = None
    total: Operand | None = None


@dataclass
class _Running:
    """What runs along the chunks of one tile of queries."""

    maximum: Operand | None = None
    total: Operand | None = None


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
        self._load = Loader(body, builder, hw, space, (element(it.score.operands[0]), self._kind))
        self._scores = Scores(body, builder, hw, space, it, self._plan)
        self._running: dict[int, _Running] = {}

    def run(self) -> None:
        """Emit the whole kernel: heads outermost."""
        self._reserve()
        self._locate(self._it.score)
        self._scores.prepare()
        steps = self._steps()
        sizes = self._space.extents(BATCH)
        for batch, _ in self._b.nest(sizes, [1] * len(sizes)):
            self._locate(self._it.score)
            self._load.head(batch, self._plan, self._psum_weights)
            self._scores.batch = batch
            self._pipeline(steps, batch)

    def _reserve(self) -> None:
        """The buffers of the pipeline: chunks of scores and weights, transposed weights, sums."""
        b, hw, rows = self._b, self._hw, self._hw.partitions
        self._chunk = min(
            self._plan.chunk, max(c.count for t in self._plan.tiles for c in t.chunks)
        )
        bank = hw.psum_bank_bytes
        scores = -(-self._chunk * 4 // bank) * bank // 4
        self._psum_scores = [b.alloc(rows, scores, _FLOAT, "psum") for _ in range(STAGES)]
        wide = bank // self._kind.bytes
        self._psum_weights = [b.alloc(rows, wide, self._kind, "psum") for _ in range(STAGES)]
        self._psum_result = [b.alloc(rows, bank // 4, _FLOAT, "psum") for _ in range(STAGES)]
        self._weights = [b.alloc(rows, self._chunk, self._kind) for _ in range(STAGES)]
        tiles = -(-self._chunk // self._plan.key_tile)
        self._turned = [b.alloc(rows, tiles * rows, self._kind) for _ in range(STAGES)]
        # A step's numbers of each row: the largest score, its product, the sum, the rescaling.
        self._numbers = [b.alloc(rows, _NUMBERS, _FLOAT) for _ in range(STAGES + 2)]
        self._sums = [b.alloc(rows, self._width, _FLOAT) for _ in range(STAGES)]
        self._outs = [
            b.alloc(rows, self._width, element(self._body.yielded[0])) for _ in range(STAGES)
        ]

    def _steps(self) -> list[Step]:
        steps: list[Step] = []
        for tile in self._plan.tiles:
            for i, chunk in enumerate(tile.chunks):
                last = i == len(tile.chunks) - 1
                steps.append(Step(len(steps), tile, chunk, i == 0, last, len(steps) % STAGES))
        return steps

    def _pipeline(self, steps: list[Step], batch: tuple[Affine, ...]) -> None:
        """Emit the stages of neighbouring steps together, so that no engine waits for another."""
        for at in range(len(steps) + STAGES):
            if at < len(steps):
                self._weigh(steps[at])
            if 0 <= at - 1 < len(steps):
                self._turn(steps[at - 1])
            if at >= STAGES:
                self._add(steps[at - STAGES], batch)

    def _weigh(self, step: Step) -> None:
        """Scores of a chunk, and their exponentials."""
        self._locate(self._it.score)
        psum, rows = self._psum_scores[step.slot], step.tile.size
        self._load.multiply(psum, step.tile, step.chunk, self._hw.matmul_columns_max)
        source, scale = self._scores.emit(psum, step.tile, step.chunk)
        numbers = self._numbers[step.number % len(self._numbers)]
        self._source("stablehlo.exponential")
        bias = self._shift(step, numbers, source, scale)
        weights = self._weights[step.slot].at(0, ((1, step.chunk.count),), 0, rows)
        total = _column(numbers, _SUM, rows)
        self._activate(weights, source, bias, scale, total)
        before = self._running.get(step.tile.column)
        running = _column(numbers, _TOTAL, rows)
        if step.first or before is None or before.total is None:
            running = total
        else:
            assert step.rescale is not None
            self._multiply_add(running, before.total, step.rescale, total)
        now = _Running(_column(numbers, _MAXIMUM, rows), running)
        self._running[step.tile.column] = now
        step.total = running

    def _shift(self, step: Step, numbers: Ref, source: Operand, scale: float) -> Operand:
        """The largest score so far, negated and scaled: the bias of the exponential."""
        rows, b = step.tile.size, self._b
        largest = _column(numbers, _MAXIMUM, rows)
        negated = _column(numbers, _NEGATED, rows)
        before = self._running.get(step.tile.column)
        b.reduce("maximum", largest, _as_row(source), 1)
        # A row of nothing but -inf has the bias of a finite score: its weights are 0, not NaN,
        # and the rows after it go on. Where all of them are -inf, 0 / 0 is NaN as it should be.
        if step.first or before is None or before.maximum is None:
            lowest = _LOWEST / max(scale, 1.0)
            b.map("maximum", largest, largest, immediate=lowest, immediate_at=1)
        else:
            b.map("maximum", largest, largest, before.maximum)
        b.map("multiply", negated, largest, immediate=-scale, immediate_at=1)
        if not step.first and before is not None and before.maximum is not None:
            step.rescale = _column(numbers, _RESCALE, rows)
            self._activate(step.rescale, before.maximum, negated, scale, None)
        return negated

    def _turn(self, step: Step) -> None:
        """The weights with keys on the partitions: a bank of transposes, then one copy."""
        rows, tile = step.tile.size, self._plan.key_tile
        self._source("stablehlo.dot_general")
        weights, turned = self._weights[step.slot], self._turned[step.slot]
        parts = [(k, min(tile, step.chunk.count - k)) for k in range(0, step.chunk.count, tile)]
        room = self._psum_weights[0].columns // self._hw.partitions
        for number, start in enumerate(range(0, len(parts), room)):
            bank = self._psum_weights[(step.number + number) % STAGES]
            group = parts[start : start + room]
            for i, (k, count) in enumerate(group):
                dst = bank.at(i * rows, ((1, rows),), 0, count)
                self._b.transpose(dst, weights.at(k, ((1, count),), 0, rows))
            self._drain(turned, start * rows, bank, [n for _, n in group], rows)

    def _drain(self, turned: Ref, column: int, bank: Ref, counts: list[int], rows: int) -> None:
        """Copy full key tiles at once, a short one by itself."""
        full = sum(n == self._plan.key_tile for n in counts)
        for at, size, lanes in (
            (0, full, self._plan.key_tile),
            (full, len(counts) - full, counts[-1]),
        ):
            if size:
                pairs = ((1, size * rows),)
                dst = turned.at(column + at * rows, pairs, 0, lanes)
                self._b.cast(dst, bank.at(at * rows, pairs, 0, lanes))

    def _add(self, step: Step, batch: tuple[Affine, ...]) -> None:
        """The weighted values of a chunk onto the sum; the last one divides and stores."""
        rows, width = step.tile.size, self._width
        self._locate(self._it.value)
        psum = self._psum_result[step.slot].at(0, ((1, width),), 0, rows)
        turned = self._turned[step.slot]
        for i, k in enumerate(range(0, step.chunk.count, self._plan.key_tile)):
            count = min(self._plan.key_tile, step.chunk.count - k)
            values = self._load.values(step.chunk.start + k, count)
            stationary = turned.at(i * rows, ((1, rows),), 0, count)
            self._b.matmul(psum, stationary, values, () if i == 0 else None)
        kept = self._sums[self._tile_slot(step)].at(0, ((1, width),), 0, rows)
        if not step.first:
            assert step.rescale is not None
            self._multiply_add(kept, kept, step.rescale, psum, width)
            psum = kept
        elif not step.last:
            self._b.cast(kept, psum)
        if step.last:
            assert step.total is not None
            out = self._outs[self._tile_slot(step)]
            total = (step.total[0], _walk(step.total, width))
            self._b.map("divide", out.at(0, ((1, width),), 0, rows), psum, total)
            self._load.store(out, step.tile, batch, self._body.outputs[0])

    def _tile_slot(self, step: Step) -> int:
        return step.tile.number % STAGES

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


_MAXIMUM, _NEGATED, _SUM, _TOTAL, _RESCALE, _NUMBERS = range(6)


def _column(numbers: Ref, at: int, rows: int) -> Operand:
    return numbers.at(at, ((1, 1),), 0, rows)


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
