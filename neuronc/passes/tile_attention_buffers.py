"""The blocks that the stages of an attention's pipeline hand on, each kind in turns.

psum   scores[rows, keys];  weights being turned;  results[rows, width]
sbuf   weights[rows, keys];  turned[keys, rows];  numbers[rows, 1 each];  sums, outs[rows, width]
"""

from __future__ import annotations

from dataclasses import dataclass

from neuronc.dtypes import BY_NAME, ElementType
from neuronc.hardware import Generation
from neuronc.passes.attention_plan import Chunk, Plan, RowTile, bank_columns, score_banks
from neuronc.passes.attention_space import WIDTH, Space
from neuronc.passes.builder import Builder
from neuronc.passes.operand import Operand, Ref

FLOAT = BY_NAME["f32"]
STAGES = 2
"""Buffers of what one stage of the pipeline hands to the next."""
STORES = 8
"""Buffers of results on their way out: a store may have to wait until a head's loads are done."""
MAXIMUM, SHIFT, SUM, RESCALE, INVERSE, NUMBERS = range(6)
"""A step's numbers of each row: the largest score, its product, the sum, the rescaling, 1 / sum."""


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


def steps_of(plan: Plan, heads: int) -> list[Step]:
    """All steps of some heads, in order."""
    steps: list[Step] = []
    for head in range(heads):
        for tile in plan.tiles:
            for i, chunk in enumerate(tile.chunks):
                last = i == len(tile.chunks) - 1
                steps.append(Step(len(steps), head, tile, chunk, i == 0, last))
    return steps


class Buffers:
    """The blocks of one kernel, and which of them a step has."""

    def __init__(
        self,
        b: Builder,
        hw: Generation,
        space: Space,
        plan: Plan,
        kinds: tuple[ElementType, ElementType],
    ) -> None:
        kind, result = kinds
        rows, self.width = hw.partitions, space.extent(WIDTH)
        chunk = max(c.count for t in plan.tiles for c in t.chunks)
        bank = bank_columns(FLOAT, hw)
        banks = -(-chunk // bank)
        turns = score_banks(space, hw) // banks
        self._scores = [b.alloc(rows, banks * bank, FLOAT, "psum") for _ in range(turns)]
        wide = bank_columns(kind, hw)
        self.turning = _halves(b.alloc(rows, wide, kind, "psum", STAGES))
        wide = STAGES * max(self.width, bank // STAGES)
        self._results = _halves(b.alloc(rows, wide, FLOAT, "psum", STAGES))
        self._weights = [b.alloc(rows, chunk, kind) for _ in range(STAGES + 1)]
        tiles = -(-chunk // plan.key_tile)
        self._turned = [b.alloc(rows, tiles * rows, kind) for _ in range(STAGES)]
        self._numbers = [b.alloc(rows, NUMBERS, FLOAT) for _ in range(STAGES + 4)]
        self._sums = [b.alloc(rows, self.width, FLOAT) for _ in range(STAGES)]
        self._outs = [b.alloc(rows, self.width, result) for _ in range(STORES)]
        self._stored = 0

    def scores(self, step: Step) -> Ref:
        """Where the scores of a chunk are, in PSUM."""
        return self._scores[step.number % len(self._scores)]

    def weights(self, step: Step) -> Ref:
        """Where their exponentials are."""
        return self._weights[step.number % len(self._weights)]

    def turned(self, step: Step) -> Ref:
        """Where those are with keys on the partitions, tile by tile of keys."""
        return self._turned[step.slot]

    def number(self, step: Step, which: int, back: int = 0) -> Operand:
        """One number of each row, of this step or of one before."""
        numbers = self._numbers[(step.number - back) % len(self._numbers)]
        return numbers.at(which, ((1, 1),), 0, step.tile.size)

    def result(self, step: Step) -> Operand:
        """Where the weighted values of a chunk are summed, in PSUM."""
        ref, column = self._results[step.slot]
        return ref.at(column, ((1, self.width),), 0, step.tile.size)

    def kept(self, step: Step) -> Operand:
        """Where those of all chunks so far are summed."""
        return self._sums[step.tile.number % STAGES].at(0, ((1, self.width),), 0, step.tile.size)

    def next_out(self) -> Ref:
        """Where the next result is on its way out."""
        self._stored += 1
        return self._outs[(self._stored - 1) % STORES]


def _halves(bank: Ref) -> list[tuple[Ref, int]]:
    """A block of PSUM as two that take turns: the block, and the column where each begins."""
    return [(bank, i * bank.columns // STAGES) for i in range(STAGES)]
