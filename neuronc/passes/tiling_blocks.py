"""What a tiling makes of a contraction: blocks, how often they are brought, and the room they take.

`choose_tiles` asks for thousands, so what several share is worked out once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import prod

from neuronc.hardware import Generation
from neuronc.passes.contraction import COLUMNS, ROWS, grow
from neuronc.passes.footprint import depth_tile
from neuronc.passes.iteration import tile_shape
from neuronc.passes.staging import TURNED_PIECES
from neuronc.passes.tiling import Tiling
from neuronc.passes.tiling_facts import Facts

SBUF_SHARE = 0.97
"""Of SBUF, what the search may plan with; the rest is for what it does not count."""
TURNS = (3, 2, 1)
"""Buffers of what is loaded again and again, best first."""


@dataclass
class Cut:
    """A contraction as one candidate cuts it."""

    facts: Facts
    tiling: Tiling
    room: int
    hw: Generation

    def __post_init__(self) -> None:
        """Work out the blocks."""
        f, t, hw = self.facts, self.tiling, self.hw
        self.lanes, self.line = (COLUMNS, ROWS) if t.transposed else (ROWS, COLUMNS)
        self.inner = ROWS + COLUMNS - t.outer
        self.sides = dict(f.sides)
        tile = depth_tile(f.depth, t.lanes, hw.partitions)
        self.k_tiles = prod(-(-n // k) for n, k in zip(f.depth, tile, strict=True))
        self.k_tile, self.k_lanes = tile, prod(tile)
        self.covers = {g: f.footprint(g, t.lanes) for g in (ROWS, COLUMNS)}
        self.held = {t.outer: t.outer_held, self.inner: t.inner_held}
        self.block: dict[int, tuple[int, ...]] = {}
        self.blocks: dict[int, int] = {}
        for group, tiles in ((t.outer, t.outer_tiles), (self.inner, t.inner_tiles)):
            extents = self.sides[group].extents
            widest = hw.stationary_columns_max if group == self.lanes else hw.matmul_columns_max
            self.block[group], self.blocks[group] = _block(extents, widest, tiles)
        line = self.sides[self.line]
        self.tile_columns = prod(tile_shape(line.extents, hw.matmul_columns_max))
        """Columns that one matmul makes."""
        self.line_columns = min(t.moving_group * self.tile_columns, line.size)
        """Columns of neighbouring tiles that are drained at once."""

    def held_twice(self) -> bool:
        """Whether what is held may take turns too."""
        f = self.facts
        again = sum(
            self._block_columns(group, self.k_tiles) * f.bytes
            for group in self.block
            if self.held[group] and not self.sides[group].there and self.loads(group) > 1
        )
        return self.sbuf_bytes(TURNS[0]) + again <= SBUF_SHARE * self.room

    def sbuf_bytes(self, turns: int) -> int:
        """Bytes of a partition, where what is not held takes turns."""
        f, t = self.facts, self.tiling
        total = 0
        for group, block in self.block.items():
            side = self.sides[group]
            if side.there:
                continue
            if self.held[group]:
                total += self._block_columns(group, self.k_tiles) * f.bytes
            else:
                total += self._block_columns(group, t.chunk) * f.bytes * turns
            if self.is_turned(group) and not side.near:
                pieces = min(-(-prod(block) // self.hw.partitions), TURNED_PIECES)
                total += pieces * self.chunk_depth() * f.bytes * turns
        values = f.casts + f.pairs + f.activations + len(f.loads) + 1
        return total + values * self.line_columns * 4 * min(turns, 2)

    def _block_columns(self, group: int, k_tiles: int) -> int:
        """Columns of a partition that one block takes over so many tiles of K."""
        block, cover = self.block[group], self.covers[group]
        if cover is None:
            return k_tiles * prod(block)
        return k_tiles // self.tiling.chunk * cover.runs(block) * cover.run(block)

    def is_turned(self, group: int) -> bool:
        """Whether the tensor engine transposes an operand, once it is loaded or where it is."""
        return self.sides[group].transposed and self.covers[group] is None

    def chunk(self) -> tuple[int, ...]:
        """How much of each dimension of K a chunk has."""
        depth, lanes = self.facts.depth, self.tiling.lanes
        if lanes:
            return (*self.k_tile[:lanes], *depth[lanes:])
        whole = len(depth) == 1
        return (min(self.tiling.chunk * self.k_lanes, depth[0]),) if whole else self.k_tile

    def chunk_depth(self) -> int:
        """Elements of K that a chunk of rows holds."""
        return prod(self.chunk())

    def loads(self, group: int) -> int:
        """How often the blocks of one operand are brought, all batches together."""
        own = self.blocks[group]
        if group == self.tiling.outer:
            return own if self.held[group] else own * self.blocks[self.inner]
        # The only block of an operand that is held stays for the next block of the other.
        return own * self.blocks[self.tiling.outer]

    def banks(self) -> int:
        """Banks for accumulation, beside those of transposes."""
        banks = self.hw.psum_bytes_per_partition // self.hw.psum_bank_bytes
        turned = any(map(self.is_turned, self.sides))
        return banks - (2 if turned else 0)

    def lane_tiles(self) -> int:
        """Tiles of the result that lie on the partitions one after the other."""
        return tiles_of(self.sides[self.lanes].extents, self.hw.stationary_columns_max)

    def drains(self) -> float:
        """How often columns of a line leave PSUM."""
        return self.lane_tiles() * (self.sides[self.line].size / self.line_columns)

    def all_tiles(self) -> int:
        """Tiles of the result."""
        line = self.sides[self.line].extents
        return self.lane_tiles() * tiles_of(line, self.hw.matmul_columns_max)


@cache
def _block(extents: tuple[int, ...], widest: int, tiles: int) -> tuple[tuple[int, ...], int]:
    """A block of at most so many tiles, and how many blocks there are."""
    block = grow(extents, tile_shape(extents, widest), tiles)
    return block, prod(-(-n // b) for n, b in zip(extents, block, strict=True))


@cache
def tiles_of(extents: tuple[int, ...], widest: int) -> int:
    """How many tiles cover some dimensions."""
    tile = tile_shape(extents, widest)
    return prod(-(-n // t) for n, t in zip(extents, tile, strict=True))


def is_line(extents: tuple[int, ...], widest: int) -> bool:
    """Whether tiles follow each other without gaps, so that several fill neighbouring banks."""
    return len(extents) == 1 and extents[0] > widest
