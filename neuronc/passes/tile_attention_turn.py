"""Turn the weights of a chunk, so that their product with the values contracts keys.

weights[rows, keys]
becomes, by the tensor engine and a copy out of PSUM,
turned[keys of a tile, tile * rows]
"""

from __future__ import annotations

from neuronc.dialects.tile import CastOp
from neuronc.dtypes import ElementType
from neuronc.hardware import Generation
from neuronc.passes.attention_plan import Plan, bank_columns, copy_engines
from neuronc.passes.builder import Builder
from neuronc.passes.operand import Ref
from neuronc.passes.tile_attention_buffers import STAGES, Buffers, Step


class Turner:
    """Transposes weights, half a bank of PSUM at a time."""

    def __init__(
        self, builder: Builder, hw: Generation, plan: Plan, buffers: Buffers, kind: ElementType
    ) -> None:
        self._b, self._hw, self._plan = builder, hw, plan
        self._buffers, self._kind = buffers, kind
        self._turns = 0

    def turn(self, step: Step) -> None:
        """The weights with keys on the partitions: some transposes, then one copy of them."""
        rows, tile = step.tile.size, self._plan.key_tile
        self._b.source = "stablehlo.dot_general"
        weights, turned = self._buffers.weights(step), self._buffers.turned(step)
        parts = [(k, min(tile, step.chunk.count - k)) for k in range(0, step.chunk.count, tile)]
        room = bank_columns(self._kind, self._hw) // STAGES // self._hw.partitions
        times, width = -(-len(parts) // room), self._buffers.width
        engines = copy_engines(step.chunk.count, width, rows * room, times, self._hw)
        for number, start in enumerate(range(0, len(parts), room)):
            bank, column = self._buffers.turning[self._turns % STAGES]
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
