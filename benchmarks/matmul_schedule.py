"""Schedules of a matmul as published kernels have them, for any shape.

A schedule is described by its loops: their order, how many tiles a block has, how wide a load is,
the element type. Edges that do not fill a tile are shorter records.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from itertools import product

from schedules import Ring, Schedule

from neuronc.dtypes import BY_NAME
from neuronc.hardware import Generation
from neuronc.isa.operands import Memory, Operand

TILE = {"m": 128, "k": 128, "n": 512}
"""Rows of the result, partitions of the array, columns of a PSUM bank in f32."""


STORES = 4
"""Blocks of the result in SBUF on their way out."""


@dataclass(frozen=True)
class Matmul:
    """out[M, N] = lhs[K, M].T @ rhs[K, N] by blocks of tiles: 128 of M and K, 512 of N.

    Raises:
        ValueError: if an extent, a block or the number of buffers is not positive, if the order is
            not one of m, n and k, or if a type is unknown.
    """

    m: int
    k: int
    n: int
    dtype: str
    order: str = "mnk"
    """The loops over blocks, outermost first. An operand's block is loaded in the innermost loop
    that it depends on; K's innermost accumulates in PSUM, else the vector engine does in SBUF."""
    block: tuple[int, int, int] = (1, 1, 1)
    """Tiles of a block along M, K and N; the last block of an axis may have fewer."""
    wide_loads: bool = False
    """One load for each 128 rows of a block, instead of one for each tile."""
    out_dtype: str = ""
    """Of the result; the operands' by default."""
    buffers: int = 0
    """Blocks of each operand that SBUF holds: by default as many as fit, one to sixteen."""

    def __post_init__(self) -> None:
        for name in ("m", "k", "n"):
            _positive(name, getattr(self, name))
        for tiles in self.block:
            _positive("block", tiles)
        if len(self.block) != 3 or sorted(self.order) != ["k", "m", "n"] or self.buffers < 0:
            shape = {field.name: getattr(self, field.name) for field in fields(self)}
            raise ValueError(f"three blocks and an order of m, k and n are needed: {shape}")
        for dtype in (self.dtype, self.out_dtype or self.dtype):
            if dtype not in BY_NAME:
                raise ValueError(f"unknown type {dtype!r}; there are {', '.join(BY_NAME)}")

    def tiles(self, axis: str) -> int:
        """How many tiles an axis has."""
        return -(-int(getattr(self, axis)) // TILE[axis])

    def extent(self, axis: str, tile: int) -> int:
        """Rows or columns of one tile: the last one may be short."""
        return min(TILE[axis], int(getattr(self, axis)) - tile * TILE[axis])

    def schedule(self, hw: Generation) -> Schedule:
        """The records."""
        return _Builder(self, Schedule(hw)).build()


def _positive(name: str, value: int) -> None:
    if value < 1:
        raise ValueError(f"{name} is {value}; it must be at least 1")


def named(name: str, m: int, k: int, n: int, dtype: str) -> Matmul:
    """The schedules of the published tutorial (hardware reference, 7.1, rows 1 to 5) by name.

    Raises:
        ValueError: if there is no such schedule.
    """
    whole = -(-k // TILE["k"])
    shape = (m, k, n, dtype)
    match name:
        case "naive":
            return Matmul(*shape, buffers=1)
        case "tiled":
            return Matmul(*shape)
        case "hoisted":
            return Matmul(*shape, block=(1, whole, 1))
        case "blocked":
            return Matmul(*shape, block=(2, whole, 2))
        case "blocked-k":
            return Matmul(*shape, "nkm", (16, 8, 2), wide_loads=True)
        case _:
            raise ValueError(f"unknown schedule {name!r}; there are {', '.join(NAMES)}")


NAMES = ("naive", "tiled", "hoisted", "blocked", "blocked-k")
"""Naive is tiled with one buffer of each operand, so that no load hides behind a product."""


class _Builder:
    def __init__(self, shape: Matmul, out: Schedule) -> None:
        self.shape, self.out = shape, out
        # A block larger than the axis is all of it.
        blocks = zip("mkn", shape.block, strict=True)
        self.block = {axis: min(tiles, shape.tiles(axis)) for axis, tiles in blocks}
        self.trips = {axis: -(-shape.tiles(axis) // self.block[axis]) for axis in "mkn"}
        self.per_load = {a: self.block[a] if shape.wide_loads else 1 for a in "mn"}
        self.rings = {axis: self._ring(axis) for axis in "mn"}
        self.psum = out.ring(TILE["n"], 8, "f32", Memory.PSUM)
        self.store_ring = out.ring(TILE["n"], STORES, shape.out_dtype or shape.dtype)
        self.loops = [axis for axis in shape.order if self.trips[axis] > 1]
        self.inner_k = "k" not in self.loops or self.loops[-1] == "k"
        depth = {axis: self.loops.index(axis) for axis in self.loops}
        self.level = {a: max(depth.get(a, -1), depth.get("k", -1)) for a in "mn"}
        self.loaded: dict[tuple[str, int, int], Operand] = {}
        self.sums: dict[tuple[int, int], Operand] = {}

    def _ring(self, axis: str) -> Ring:
        """Buffers of one operand: each has what one load brings."""
        block, wide = self.block[axis], self.per_load[axis]
        count = int(self._blocks() * self.block["k"] * -(-block // wide))
        return self.out.ring(TILE[axis] * wide, count, self.shape.dtype)

    def _blocks(self) -> float:
        """Blocks of each operand that SBUF holds: whole ones, or one and a part of the next."""
        itemsize = BY_NAME[self.shape.dtype].bytes
        size = sum(TILE[a] * self.block[a] for a in "mn") * self.block["k"] * itemsize
        results = STORES * TILE["n"] * BY_NAME[self.shape.out_dtype or self.shape.dtype].bytes
        fit = (self.out.hw.sbuf_bytes_per_partition - results) / size
        return self.shape.buffers or min(max(fit if fit < 2 else fit // 1, 1), 16)

    def build(self) -> Schedule:
        self.nest(0, {"m": 0, "k": 0, "n": 0})
        return self.out

    def nest(self, depth: int, at: dict[str, int]) -> None:
        """The loops from `depth` inward; operands that are known by now are loaded before."""
        for axis in "mn":
            if self.level[axis] == depth - 1:
                self.load(axis, at)
        if depth == len(self.loops):
            self.compute(at)
            return
        axis = self.loops[depth]
        for i in range(self.trips[axis]):
            self.nest(depth + 1, {**at, axis: i})

    def inside(self, axis: str, at: Mapping[str, int]) -> range:
        """The tiles of the current block."""
        first = at[axis] * self.block[axis]
        return range(first, min(first + self.block[axis], self.shape.tiles(axis)))

    def load(self, axis: str, at: Mapping[str, int]) -> None:
        """One block of an operand."""
        ring, tiles = self.rings[axis], self.inside(axis, at)
        for k, first in product(self.inside("k", at), tiles[:: self.per_load[axis]]):
            together = [t for t in tiles if first <= t < first + self.per_load[axis]]
            columns = [self.shape.extent(axis, t) for t in together]
            rows = self.shape.extent("k", k)
            self.out.load(ring.next(sum(columns), rows))
            for i, (tile, width) in enumerate(zip(together, columns, strict=True)):
                self.loaded[axis, k, tile] = ring.operand(i * TILE[axis], width, rows)

    def compute(self, at: Mapping[str, int]) -> None:
        """One block of products, and what becomes of them."""
        last = at["k"] == self.trips["k"] - 1
        for key in product(self.inside("m", at), self.inside("n", at)):
            result = self.multiply(key, at)
            if self.inner_k and last:
                self.drain(result)
            elif not self.inner_k:
                self.accumulate(result, last)

    def multiply(self, key: tuple[int, int], at: Mapping[str, int]) -> Operand:
        """One tile of the result in PSUM, over the block's part of K."""
        fresh = not self.inner_k or at["k"] == 0
        if fresh:
            m, n = key
            self.sums[key] = self.psum.next(self.shape.extent("n", n), self.shape.extent("m", m))
        for i, k in enumerate(self.inside("k", at)):
            stationary, moving = self.loaded["m", k, key[0]], self.loaded["n", k, key[1]]
            self.out.matmul(self.sums[key], stationary, moving, fresh and i == 0)
        return self.sums[key]

    def drain(self, result: Operand) -> None:
        """From PSUM to HBM."""
        ready = self.store_ring.next(*_shape(result))
        self.out.copy(ready, result)
        self.out.store(ready)

    def accumulate(self, result: Operand, last: bool) -> None:
        """From PSUM onto sums in SBUF, which are too many to be told apart here."""
        total = self.store_ring.next(*_shape(result))
        self.out.combine("add", total, total, result)
        if last:
            self.out.store(total)


def _shape(block: Operand) -> tuple[int, int]:
    """Columns and partitions."""
    (columns,) = block.counts
    return columns, block.partitions
