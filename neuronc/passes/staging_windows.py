"""Bring on chip what the windows of an operand cover, and read each tap of them there.

    x[c, 58, 58] under windows of 3 x 3, c on the partitions
  becomes
    load x[c, 0:3364]; the columns of tap (kh, kw) start at 58 * kh + kw, rows 58 apart

One chunk of K has all taps of one tile of partitions: its loads are runs as long as what the
windows reach (`footprint.py`), not one short row for each tap.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from neuronc.dialects.access import Affine
from neuronc.passes.contraction import DEPTH, Side, divided
from neuronc.passes.footprint import Footprint
from neuronc.passes.iteration import merge_pairs
from neuronc.passes.operand import Ref
from neuronc.passes.staging import Columns, Depth, Stage, Staged, Supply
from neuronc.passes.transfer import transfer


@dataclass(frozen=True)
class Windows:
    """Supplies operands from what their windows cover."""

    stage: Stage
    footprint: Footprint

    def hold(self, side: Side) -> Supply:
        """Load every tile of partitions, to stay."""
        width, count = self._width(side), prod(self.stage.lane_tiles)
        lanes = prod(self.stage.lane_tile)
        ref = self.stage.builder.alloc(lanes, count * width, self.stage.kind, tiles=count)
        for chunk in self.stage.chunks():
            self._load(side, chunk, ref, self._slot(chunk) * width)
        return lambda _: lambda k: self._columns(side, k, ref, self._slot(k) * width)

    def stream(self, side: Side) -> Supply:
        """Load one tile of partitions where it is asked for."""

        def supply(chunk: Depth) -> Staged:
            lanes = prod(chunk.tile.counts[: self.stage.lanes])
            ref = self.stage.builder.alloc(lanes, self._width(side), self.stage.kind)
            self._load(side, chunk, ref, Affine())
            return lambda k: self._columns(side, k, ref, Affine())

        return supply

    def _width(self, side: Side) -> int:
        """Columns of one tile of partitions."""
        return self.footprint.runs(side.taken) * self.footprint.run(side.taken)

    def _slot(self, k: Depth) -> Affine:
        """Number of the tile of partitions that a part of K lies on."""
        slot, tiles = Affine(), self.stage.lane_tiles
        for d, step in enumerate(self.stage.lane_tile):
            slot = slot + divided(k.tile.starts[d], step) * prod(tiles[d + 1 :])
        return slot

    def _load(self, side: Side, chunk: Depth, ref: Ref, column: Affine) -> None:
        q, access, taken = self.stage.problem, side.access, side.taken
        free = merge_pairs((*self.footprint.outer(taken), (1, self.footprint.run(taken))))
        origin = self.stage.offset(side, side.tile, chunk.tile)
        lanes = self.stage.lanes
        on_partitions = chunk.tile.first(lanes)
        for start, count, shift, step in on_partitions.pieces(q.strides(access, DEPTH)[:lanes]):
            window = (self.stage.buffer(access), origin + shift, step)
            transfer(self.stage.builder, ref, column, (start, count), window, free, store=False)

    def _columns(self, side: Side, k: Depth, ref: Ref, column: Affine) -> Columns:
        for (step, _), start in zip(
            self.footprint.taps, k.tile.starts[self.stage.lanes :], strict=True
        ):
            column = column + start * step
        return Columns(ref, column, k.size, self.footprint.columns(side.taken))
