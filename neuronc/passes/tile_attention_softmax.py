"""The softmax of an attention whose scores come chunk by chunk: what is kept of each row.

m' = max(m, max(scores));  p = exp(scores - m'), its sum on the way
acc = acc * exp(m - m') + p @ v;  sum = sum * exp(m - m') + sum(p);  at the end, acc / sum
"""

from __future__ import annotations

from dataclasses import replace

from neuronc.dialects.access import Access
from neuronc.dialects.tile import ActivateOp, MapPairOp, MapTensorOp
from neuronc.passes.attention_plan import LARGEST, SMALLEST
from neuronc.passes.builder import Builder
from neuronc.passes.operand import Operand, Ref
from neuronc.passes.tile_attention_buffers import (
    INVERSE,
    MAXIMUM,
    RESCALE,
    SHIFT,
    SUM,
    Buffers,
    Step,
)


class Softmax:
    """Emits the arithmetic between the contractions, on the vector and the scalar engine."""

    def __init__(self, builder: Builder, buffers: Buffers, safe: bool) -> None:
        self._b, self._buffers, self._safe = builder, buffers, safe

    def weigh(self, step: Step, scores: Operand, scale: float) -> None:
        """The exponentials of the scores, and their sum."""
        self._b.source = "stablehlo.exponential"
        bias = self._shift(step, scores, scale)
        pairs = ((1, step.chunk.count),)
        weights = self._buffers.weights(step).at(0, pairs, 0, step.tile.size)
        self._activate(weights, scores, bias, scale, self._buffers.number(step, SUM))

    def _shift(self, step: Step, scores: Operand, scale: float) -> Operand:
        """The largest score so far, negated and scaled: the bias of the exponential.

        It is finite where all scores are -inf: their weights are 0, not NaN, and later chunks go
        on. Where a whole row is -inf, its sum is 0, and 0 / 0 is NaN as it should be.
        """
        largest, shift = (self._buffers.number(step, n) for n in (MAXIMUM, SHIFT))
        self._b.reduce("maximum", largest, _as_row(scores), 1)
        words: dict[str, object] = {"function0": "multiply", "function1": "minimum"}
        words |= {"immediate0": -scale, "reverse0": 0, "reverse1": 0}
        if step.first:
            slots = ("dst", "src")
            self._b.append(MapPairOp, (shift, largest), slots=slots, immediate1=LARGEST, **words)
            return shift
        before = self._buffers.number(step, SHIFT, 1)
        slots = ("dst", "src", "scalar1")
        self._b.append(MapPairOp, (shift, largest, before), slots=slots, **words)
        self._activate(self._buffers.number(step, RESCALE), before, shift, -1.0, None)
        return shift

    def combine(self, step: Step) -> Operand:
        """Add a chunk to what is summed so far; where that is."""
        total, result = self._buffers.number(step, SUM), self._buffers.result(step)
        kept = self._buffers.kept(step)
        if not step.first:
            rescale = self._buffers.number(step, RESCALE)
            self._multiply_add(total, self._buffers.number(step, SUM, 1), rescale, total)
            self._multiply_add(kept, kept, rescale, result, self._buffers.width)
            return kept
        if not step.last:
            self._b.cast(kept, result)
        return result

    def divide(self, step: Step, sums: Operand) -> Ref:
        """Sums / total: a division of one number a row is cheaper than one of each."""
        inverse, width = self._buffers.number(step, INVERSE), self._buffers.width
        invert(self._b, inverse, self._buffers.number(step, SUM), self._safe)
        out = self._buffers.next_out()
        factor = (inverse[0], _walk(inverse, width))
        self._b.map("multiply", out.at(0, ((1, width),), 0, step.tile.size), sums, factor)
        return out

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


def invert(b: Builder, dst: Operand, total: Operand, safe: bool) -> None:
    """Dst = 1 / total, the sums of rows.

    The sum of a row that shows nothing is 0. Where a safe softmax makes that 0, it divides by
    the smallest normal number instead: all other sums are at least 1, by their largest score.
    """
    if not safe:
        b.map("divide", dst, total, immediate=1.0, immediate_at=0)
        return
    words: dict[str, object] = {"function0": "maximum", "immediate0": SMALLEST}
    words |= {"function1": "divide", "immediate1": 1.0, "reverse0": 0, "reverse1": 1}
    b.append(MapPairOp, (dst, total), slots=("dst", "src"), **words)


def _walk(column: Operand, width: int) -> Access:
    """A column read for each of `width` elements."""
    access = column[1]
    return Access(access.offset, ((0, width),), access.partition_start, access.partitions)


def _as_row(block: Operand) -> Operand:
    """A block as one row of columns, of which a reduction leaves one number."""
    access = block[1]
    return block[0], replace(access, pairs=((0, 1), *access.pairs))
