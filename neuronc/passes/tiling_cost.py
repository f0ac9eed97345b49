"""What one way to cut a contraction costs, by the price table: its time, and its room in SBUF.

A candidate costs what its busiest engine costs, plus what nothing hides: the first loads, the last
drain, and drains that find no free bank. `choose_tiles` asks for thousands, so what several
share is worked out once, and one that cannot win is given up early.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import inf, prod

from neuronc.dialects.access import Affine
from neuronc.hardware import Generation
from neuronc.isa.table import Engine
from neuronc.passes.contraction import COLUMNS, ROWS, grow
from neuronc.passes.footprint import Footprint, depth_tile, footprint_of
from neuronc.passes.iteration import Tile, tile_shape
from neuronc.passes.prices import (
    activation_seconds,
    copy_seconds,
    dma_seconds,
    matmul_seconds,
    pair_seconds,
    transpose_seconds,
)
from neuronc.passes.staging import TURNED_PIECES

ALL = 1 << 20
SBUF_SHARE = 0.97
"""Of SBUF, what the search may plan with; the rest is for what it does not count."""
TURNS = (3, 2, 1)
"""Buffers of what is loaded again and again, best first."""
_BYTES_WEIGHT = 0.04
"""Of the time of transfers, what counts where compute hides it: others could use the bytes."""
_NAMES = {ROWS: "rows", COLUMNS: "columns"}


@dataclass(frozen=True)
class Tiling:
    """How one contraction is cut; counts are of tiles."""

    transposed: bool
    """The result's columns lie on the partitions, not its rows."""
    outer: int
    """The class of dimensions of the operand that is outermost: ROWS or COLUMNS."""
    outer_tiles: int
    inner_tiles: int
    outer_held: bool
    inner_held: bool
    stationary_group: int
    moving_group: int
    chunk: int
    lanes: int = 0
    """Dimensions of K on the partitions where windows are read from what they cover; 0: not so."""

    def __str__(self) -> str:
        """Render for the printed IR."""
        inner = ROWS + COLUMNS - self.outer
        sides = [
            f"{where} {_NAMES[group]} x{'all' if tiles == ALL else tiles} "
            f"{'held' if held else 'streamed'}"
            for where, group, tiles, held in (
                ("outer", self.outer, self.outer_tiles, self.outer_held),
                ("inner", inner, self.inner_tiles, self.inner_held),
            )
        ]
        lanes = "columns" if self.transposed else "rows"
        psum = f"psum {self.stationary_group}x{self.moving_group}"
        windows = f", windows with {self.lanes} of K on partitions" if self.lanes else ""
        return f"{lanes} on partitions, {', '.join(sides)}, {psum}, chunk {self.chunk}{windows}"


@dataclass(frozen=True)
class Side:
    """What matters of an operand: where it lies, and how HBM is walked."""

    extents: tuple[int, ...]
    strides: tuple[int, ...]
    transposed: bool
    there: bool
    """It is in SBUF already, in the layout that the matmul wants."""
    near: bool
    """It is in SBUF already."""

    @property
    def size(self) -> int:
        """Elements of the free dimensions."""
        return prod(self.extents)

    def run(self, taken: tuple[int, ...]) -> int:
        """Contiguous elements of a block of the free dimensions."""
        return _run(taken, self.strides)


Transfer = tuple[int, tuple[tuple[int, tuple[int, ...]], ...]]
"""Element bytes, and strides per class."""


@dataclass(frozen=True)
class Facts:
    """All that the choice depends on, so that equal shapes are searched once."""

    batch: int
    sides: tuple[tuple[int, Side], ...]
    depth: tuple[int, ...]
    depth_strides: tuple[tuple[int, tuple[int, ...]], ...]
    bytes: int
    casts: int
    pairs: int
    activations: int
    loads: tuple[Transfer, ...]
    """What the epilogue reads of HBM, tile by tile."""
    near: tuple[tuple[int, Transfer], ...]
    """What it reads on chip, if the result has the same class of dimensions on the partitions.

    Where it has not, that could not have stayed on chip.
    """
    stores: tuple[Transfer, ...]
    """The results in HBM."""
    lanes: tuple[int, ...]
    """The classes that may lie on the partitions."""

    def footprint(self, group: int, lanes: int) -> Footprint | None:
        """What the windows of an operand cover, with so many dimensions of K on the partitions."""
        side = dict(self.sides)[group]
        return footprint_of(side.strides, dict(self.depth_strides)[group], self.depth, lanes)


@dataclass
class Estimate:
    """The time and room one candidate takes."""

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
        self.depth = prod(f.depth)
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

    def _held_twice(self) -> bool:
        """Whether what is held may take turns too."""
        f = self.facts
        again = sum(
            self._block_columns(group, self.k_tiles) * f.bytes
            for group in self.block
            if self.held[group] and not self.sides[group].there and self._loads(group) > 1
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
            if self._is_turned(group) and not side.near:
                pieces = min(-(-prod(block) // self.hw.partitions), TURNED_PIECES)
                total += pieces * self._chunk_depth() * f.bytes * turns
        values = f.casts + f.pairs + f.activations + len(f.loads) + 1
        return total + values * self._line_columns() * 4 * min(turns, 2)

    def _block_columns(self, group: int, k_tiles: int) -> int:
        """Columns of a partition that one block takes over so many tiles of K."""
        block, cover = self.block[group], self.covers[group]
        if cover is None:
            return k_tiles * prod(block)
        return k_tiles // self.tiling.chunk * cover.runs(block) * cover.run(block)

    def _is_turned(self, group: int) -> bool:
        return self.sides[group].transposed and self.covers[group] is None

    def _chunk(self) -> tuple[int, ...]:
        """How much of each dimension of K a chunk has."""
        depth, lanes = self.facts.depth, self.tiling.lanes
        if lanes:
            return (*self.k_tile[:lanes], *depth[lanes:])
        whole = len(depth) == 1
        return (min(self.tiling.chunk * self.k_lanes, depth[0]),) if whole else self.k_tile

    def _chunk_depth(self) -> int:
        """Elements of K that a chunk of rows holds."""
        return prod(self._chunk())

    def _line_columns(self) -> int:
        return min(self.tiling.moving_group * self._tile_columns(), self.sides[self.line].size)

    def _loads(self, group: int) -> int:
        """How often the blocks of one operand are brought, all batches together."""
        own = self.blocks[group]
        if group == self.tiling.outer:
            return own if self.held[group] else own * self.blocks[self.inner]
        # The only block of an operand that is held stays for the next block of the other.
        return own * self.blocks[self.tiling.outer]

    def seconds(self, limit: float = inf) -> float:
        """The busiest engine, and what nothing hides; infinite where it is not below `limit`."""
        f = self.facts
        (turns, copies), (more_turns, more_copies) = map(self._turn_seconds, (ROWS, COLUMNS))
        tensor = self._matmul_seconds() + turns + more_turns
        if f.batch * tensor >= limit:
            return inf
        loads = {g: self._load_seconds(g) for g in (ROWS, COLUMNS)}
        dma = sum(loads.values()) + self._other_dma_seconds()
        if f.batch * (max(tensor, dma) + _BYTES_WEIGHT * dma) >= limit:
            return inf
        cast, vector, scalar = self._drain_seconds()
        elementwise = max(vector, scalar, (vector + scalar + cast + copies + more_copies) / 2)
        exposed = self._start_seconds(loads) + self._stall_seconds(loads, cast + vector + scalar)
        return f.batch * (max(tensor, elementwise, dma) + _BYTES_WEIGHT * dma) + exposed

    def _matmul_seconds(self) -> float:
        extents = self.sides[self.line].extents
        widest = prod(tile_shape(extents, self.hw.matmul_columns_max))
        whole, rest = divmod(self.sides[self.line].size, widest)
        each = whole * matmul_seconds(widest, self.facts.bytes, self.hw)
        if rest:
            each += matmul_seconds(rest, self.facts.bytes, self.hw)
        return tiles_of(self.sides[self.lanes].extents, self.hw.stationary_columns_max) * (
            self.k_tiles * each
        )

    def _turn_seconds(self, group: int) -> tuple[float, float]:
        """Transposes on the tensor engine, and their copies out of PSUM."""
        side, f, hw = self.sides[group], self.facts, self.hw
        if not self._is_turned(group):
            return 0.0, 0.0
        rows = min(side.size, hw.partitions)
        count = self._repeats(group) * -(-side.size // hw.partitions) * self.k_tiles
        columns = min(prod(self.block[group]), TURNED_PIECES * hw.partitions)
        copy = copy_seconds(columns, f.bytes, f.bytes, Engine.VECTOR, hw) / columns * rows
        turn = transpose_seconds(rows, self.k_lanes, f.bytes, hw)
        return count * turn, count * copy

    def _repeats(self, group: int) -> int:
        return self._loads(group) // self.blocks[group]

    def _load_seconds(self, group: int) -> float:
        """Bringing one operand, as often as it is brought."""
        side, f, hw, t = self.sides[group], self.facts, self.hw, self.tiling
        if side.near:
            return 0.0
        columns, chunks = prod(self.block[group]), -(-self.k_tiles // t.chunk)
        cover, strides = self.covers[group], dict(f.depth_strides)[group]
        pieces, lanes = _pieces(self.k_tile, strides)
        if cover is not None:
            runs, run = cover.runs(self.block[group]), cover.run(self.block[group])
            each = pieces * dma_seconds(lanes, runs, run, f.bytes, hw)
            return self._loads(group) * chunks * each
        if side.transposed:
            run = _run(self._chunk(), strides)
            blocks = -(-columns // hw.partitions)
            lanes = min(columns, hw.partitions)
            each = dma_seconds(lanes, self._chunk_depth() // run, run, f.bytes, hw)
            return self._loads(group) * chunks * blocks * each
        run = side.run(self.block[group])
        runs = columns // run * min(t.chunk, self.k_tiles)
        each = pieces * dma_seconds(lanes, runs, run, f.bytes, hw)
        return self._loads(group) * chunks * each

    def _drain_seconds(self) -> tuple[float, float, float]:
        """(either engine, vector, scalar) seconds of all drains."""
        f, hw = self.facts, self.hw
        columns = self._line_columns()
        tiles = tiles_of(self.sides[self.lanes].extents, hw.stationary_columns_max)
        count = tiles * (self.sides[self.line].size / columns)
        cast = f.casts * copy_seconds(columns, 4, 4, Engine.VECTOR, hw)
        vector = f.pairs * pair_seconds(columns, 4, hw)
        scalar = f.activations * activation_seconds(columns, 4, hw)
        return count * cast, count * vector, count * scalar

    def _other_dma_seconds(self) -> float:
        """Stores, and what the epilogue loads tile by tile."""
        f, hw = self.facts, self.hw
        columns = self._line_columns()
        lanes = min(self.sides[self.lanes].size, hw.partitions)
        tiles = tiles_of(self.sides[self.lanes].extents, hw.stationary_columns_max)
        count = tiles * (self.sides[self.line].size / columns)
        total = 0.0
        far = [load for group, load in f.near if group != self.lanes]
        vectors = [store for store in f.stores if self._is_vector(store)]
        rows, turns = min(tiles, hw.partitions), -(-tiles // hw.partitions)
        total += sum(turns * dma_seconds(rows, 1, hw.partitions, size, hw) for size, _ in vectors)
        stores = [store for store in f.stores if store not in vectors]
        for size, strides in (*stores, *f.loads, *far):
            run = _run((columns,), dict(strides)[self.line][-1:])
            total += count * dma_seconds(lanes, columns // run, run, size, hw)
        return total

    def _is_vector(self, store: Transfer) -> bool:
        """Whether a result is one vector over the lanes, which leaves as rows."""
        size, strides = store
        one = self.facts.batch == self.sides[self.line].size == 1
        dense = one and dict(strides)[self.lanes] == (1,)
        return dense and self.sides[self.lanes].size > self.hw.partitions and size in (2, 4)

    def _start_seconds(self, loads: dict[int, float]) -> float:
        """The loads before the first matmul and those it outruns, and the last store."""
        hw, t = self.hw, self.tiling
        chunks = -(-self.k_tiles // t.chunk)
        first = {g: seconds / self._loads(g) for g, seconds in loads.items()}
        before = sum(first.values()) / chunks
        # As chunks come, all groups that PSUM has room for may accumulate.
        group = t.stationary_group * t.moving_group
        tiles = min(self._banks() // group * group, self._all_tiles())
        work = tiles * self.k_tiles * matmul_seconds(self._tile_columns(), self.facts.bytes, hw)
        late = max(sum(first[g] for g in first if self.held[g]) - before - work, 0.0)
        return before + late + 2 * hw.dma_start_seconds

    def _stall_seconds(self, loads: dict[int, float], drains: float) -> float:
        """Groups that wait for banks, and blocks that wait for the last of the one before."""
        f, hw, t = self.facts, self.hw, self.tiling
        group, free = t.stationary_group * t.moving_group, self._banks()
        if group * 2 <= free:
            banks = drains * group / max(self._all_tiles(), 1)
        else:
            banks = f.batch * drains / (t.stationary_group if group <= free else 1)
        if not t.outer_held or self.blocks[t.outer] * f.batch == 1 or self._held_twice():
            return banks
        chunk = loads[t.outer] / self._loads(t.outer) * t.chunk / self.k_tiles
        return banks + self.blocks[t.outer] * f.batch * (chunk + hw.dma_start_seconds)

    def _banks(self) -> int:
        """Banks for accumulation, beside those of transposes."""
        banks = self.hw.psum_bytes_per_partition // self.hw.psum_bank_bytes
        turned = any(map(self._is_turned, self.sides))
        return banks - (2 if turned else 0)

    def _tile_columns(self) -> int:
        return prod(tile_shape(self.sides[self.line].extents, self.hw.matmul_columns_max))

    def _all_tiles(self) -> int:
        return tiles_of(self.sides[self.lanes].extents, self.hw.stationary_columns_max) * tiles_of(
            self.sides[self.line].extents, self.hw.matmul_columns_max
        )


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


@cache
def _pieces(tile: tuple[int, ...], strides: tuple[int, ...]) -> tuple[int, int]:
    """How many transfers one tile of partitions takes, and the partitions of each."""
    pieces = list(Tile((Affine(),) * len(tile), tile).pieces(strides))
    return len(pieces), pieces[0][1]


@cache
def _run(taken: tuple[int, ...], strides: tuple[int, ...]) -> int:
    pairs = Tile((Affine(),) * len(strides), taken[: len(strides)]).pairs(strides)
    return pairs[-1][1] if pairs and pairs[-1][0] == 1 else 1
