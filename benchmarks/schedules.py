"""Schedules of published kernels, as the records that neuronc would time.

A schedule is described by its loops: their order, how many tiles a block has, how wide a load is,
the element type. `Schedule` issues single records into rotating buffers; waits are derived from
what they touch, as for a compiled kernel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product

import numpy as np

from neuronc.backend.emit import SLOTS_MAX, WIDE, Emitted
from neuronc.backend.kernels import split
from neuronc.backend.synchronize import synchronize
from neuronc.dtypes import BY_NAME
from neuronc.hardware import Generation
from neuronc.isa import instructions as isa
from neuronc.isa.operands import Memory, Operand
from neuronc.isa.records import Record, encode
from neuronc.isa.table import ENGINES, Engine, Instruction
from neuronc.numerics import FUNCTIONS
from neuronc.timeline import Timeline, simulate


@dataclass
class Ring:
    """Buffers of [partitions, columns] that take turns."""

    memory: Memory
    dtype: str
    columns: int
    start: int
    count: int
    partitions: int = 128
    turn: int = -1

    def next(self) -> Operand:
        """The whole of the next buffer."""
        self.turn = (self.turn + 1) % self.count
        return self.operand(0, self.columns)

    def operand(self, first: int, columns: int) -> Operand:
        """Some columns of the current buffer."""
        row = BY_NAME[self.dtype]
        size = self.columns * row.bytes
        at = self.start + self.turn * size
        shape = ((1,), (columns,), 0, 0, self.partitions)
        return Operand(self.memory, row.code, first * row.bytes, *shape, at, size)


@dataclass
class Schedule:
    """Records in program order, each distinct one encoded once."""

    hw: Generation
    distinct: dict[tuple[Instruction, Engine], int] = field(
        default_factory=dict[tuple[Instruction, Engine], int]
    )
    sequence: list[int] = field(default_factory=list[int])
    used: dict[Memory, int] = field(default_factory=dict[Memory, int])

    def ring(
        self,
        columns: int,
        count: int,
        dtype: str,
        memory: Memory = Memory.SBUF,
        partitions: int = 128,
    ) -> Ring:
        """New buffers, after those that are there."""
        start = self.used.get(memory, 0)
        self.used[memory] = start + columns * count * BY_NAME[dtype].bytes
        return Ring(memory, dtype, columns, start, count, partitions)

    def issue(self, engine: Engine, instruction: Instruction) -> None:
        """Append one record."""
        key = (instruction, engine)
        self.sequence.append(self.distinct.setdefault(key, len(self.distinct)))

    def load(self, dst: Operand) -> None:
        """Fill a buffer from rows of a wide array in HBM."""
        self.issue(Engine.DMA_IN, isa.DmaCopy(dst, _rows(dst, 0), 0))

    def store(self, src: Operand) -> None:
        """The other way."""
        self.issue(Engine.DMA_OUT, isa.DmaCopy(_rows(src, 1), src, 0))

    def matmul(self, dst: Operand, stationary: Operand, moving: Operand, first: bool) -> None:
        """A product, added to dst if it is not the first."""
        self.issue(Engine.TENSOR, isa.MatMul(dst, stationary, moving, int(not first)))

    def combine(self, function: str, dst: Operand, lhs: Operand, rhs: Operand) -> None:
        """Two blocks on the vector engine."""
        code = FUNCTIONS[function].code
        self.issue(Engine.VECTOR, isa.TensorTensor(dst, lhs, rhs, code))

    def copy(self, dst: Operand, src: Operand) -> None:
        """A block on the vector engine."""
        self.issue(Engine.VECTOR, isa.Copy(dst, src))

    def activate(self, function: str, dst: Operand, src: Operand) -> None:
        """A block on the scalar engine."""
        code = FUNCTIONS[function].code
        self.issue(Engine.SCALAR, isa.Activation(dst, src, None, None, code, 1.0))

    def streams(self) -> dict[Engine, np.ndarray]:
        """The records by engine, with their waits."""
        keys = list(self.distinct)
        records = np.zeros(len(keys), WIDE)
        raw = records.view(np.uint8).reshape(len(keys), -1)
        for row, (instruction, engine) in zip(raw, keys, strict=True):
            encoded = encode([Record(instruction, (0,) * len(ENGINES), 0)], engine)
            row[: encoded.nbytes] = encoded.view(np.uint8)[: row.size]
        records["operands"]["counts"][records["operands"]["memory"] == Memory.NONE] = 1
        written = np.zeros((len(keys), SLOTS_MAX), np.bool_)
        for i, (instruction, _) in enumerate(keys):
            flags = [slot.written for slot in instruction.slots.values()]
            written[i, : len(flags)] = flags
        which = np.array(self.sequence)
        engines = np.array([engine for _, engine in keys], np.int64)[which]
        emitted = Emitted(records[which], engines, written[which], ())
        synchronize(emitted)
        return split(emitted)

    def timeline(self, ramp: bool = False) -> Timeline:
        """When each record runs."""
        return simulate(self.streams(), self.hw, ramp)


def _rows(block: Operand, buffer: int) -> Operand:
    """As many elements in HBM as a block has, its rows apart."""
    (columns,) = block.counts
    shape = ((1 << 20, 1), (block.partitions, columns))
    return Operand(Memory.HBM, block.dtype, 0, *shape, buffer)


@dataclass(frozen=True)
class Matmul:
    """out[M, N] = lhs[K, M].T @ rhs[K, N] by blocks of tiles: 128 of M and K, 512 of N."""

    m: int
    k: int
    n: int
    dtype: str
    order: str = "mnk"
    """The loops over blocks, outermost first. An operand's block is loaded in the innermost loop
    that it depends on; K's innermost accumulates in PSUM, else the vector engine does in SBUF."""
    block: tuple[int, int, int] = (1, 1, 1)
    """Tiles of a block along M, K and N."""
    wide_loads: bool = False
    """One load for each 128 rows of a block, instead of one for each tile."""
    out_dtype: str = ""
    buffers: int = 0
    """Blocks of each operand that SBUF holds: by default as many as fit, two to sixteen."""

    def schedule(self, hw: Generation) -> Schedule:
        """The records."""
        return _MatmulBuilder(self, Schedule(hw)).build()


class _MatmulBuilder:
    def __init__(self, shape: Matmul, out: Schedule) -> None:
        self.shape, self.out = shape, out
        tiles = dict(zip("mkn", (shape.m // 128, shape.k // 128, shape.n // 512), strict=True))
        self.block = dict(zip("mkn", shape.block, strict=True))
        self.trips = {axis: tiles[axis] // self.block[axis] for axis in "mkn"}
        columns = {"m": 128, "n": 512}
        size = sum(columns[a] * self.block[a] for a in "mn") * self.block["k"]
        room = out.hw.sbuf_bytes_per_partition // (size * BY_NAME[shape.dtype].bytes)
        buffers = shape.buffers or min(max(room, 2), 16)
        self.per_load = {a: self.block[a] if shape.wide_loads else 1 for a in "mn"}
        self.rings = {
            axis: out.ring(
                columns[axis] * self.per_load[axis],
                buffers * self.block["k"] * self.block[axis] // self.per_load[axis],
                shape.dtype,
            )
            for axis in "mn"
        }
        self.columns = columns
        self.loaded: dict[tuple[str, int, int], Operand] = {}
        self.psum = out.ring(512, 8, "f32", Memory.PSUM)
        self.result = shape.out_dtype or shape.dtype
        loops = [axis for axis in shape.order if self.trips[axis] > 1]
        self.inner_k = not loops or "k" not in loops or loops[-1] == "k"
        depth = {axis: loops.index(axis) for axis in loops}
        self.level = {a: max(depth.get(a, -1), depth.get("k", -1)) for a in "mn"}
        self.loops = loops
        self.sums: dict[tuple[int, int], Operand] = {}
        self.store_ring = out.ring(512, 4, self.result)

    def build(self) -> Schedule:
        self.nest(0, {"m": 0, "k": 0, "n": 0})
        return self.out

    def nest(self, depth: int, at: dict[str, int]) -> None:
        """The loops from `depth` inward; operands that are known by now are loaded before."""
        for axis in "mn":
            if self.level[axis] == depth - 1:
                self.load(axis)
        if depth == len(self.loops):
            self.compute(at)
            return
        axis = self.loops[depth]
        for i in range(self.trips[axis]):
            self.nest(depth + 1, {**at, axis: i})

    def load(self, axis: str) -> None:
        """One block of an operand."""
        ring, wide = self.rings[axis], self.per_load[axis]
        for k, first in product(range(self.block["k"]), range(0, self.block[axis], wide)):
            self.out.load(ring.next())
            for i in range(wide):
                tile = ring.operand(i * self.columns[axis], self.columns[axis])
                self.loaded[axis, k, first + i] = tile

    def compute(self, at: Mapping[str, int]) -> None:
        """One block of products, and what becomes of them."""
        for m, n in product(range(self.block["m"]), range(self.block["n"])):
            key = (m, n)
            if not self.inner_k or at["k"] == 0 or key not in self.sums:
                self.sums[key] = self.psum.next()
            for k in range(self.block["k"]):
                first = k == 0 and (at["k"] == 0 or not self.inner_k)
                moving = self.loaded["n", k, n]
                self.out.matmul(self.sums[key], self.loaded["m", k, m], moving, first)
            last = at["k"] == self.trips["k"] - 1
            if self.inner_k and last:
                self.drain(self.sums[key])
            elif not self.inner_k:
                self.accumulate(self.sums[key], last)

    def drain(self, result: Operand) -> None:
        """From PSUM to HBM."""
        ready = self.store_ring.next()
        self.out.copy(ready, result)
        self.out.store(ready)

    def accumulate(self, result: Operand, last: bool) -> None:
        """From PSUM onto sums in SBUF, which are too many to be told apart here."""
        total = self.store_ring.next()
        self.out.combine("add", total, total, result)
        if last:
            self.out.store(total)


@dataclass(frozen=True)
class Mamba:
    """A selective scan: channels on partitions, tokens along columns, states in a loop."""

    channels: int
    tokens: int
    states: int = 16
    columns: int = 512
    """Tokens of one instruction."""
    reload: bool = False
    """Whether each state loads the inputs again, and multiplies them again."""

    def schedule(self, hw: Generation) -> Schedule:
        """The records; the scan is priced as any instruction with two inputs."""
        out = Schedule(hw)
        n, tiles = self.columns, self.tokens // self.columns
        names = ("delta", "u", "product", "decay", "scaled", "state", "weighted", "sum")
        rings = {name: out.ring(n, 2 * tiles if name in names[:3] else 3, "f32") for name in names}
        column, row = out.ring(1, 2, "f32"), out.ring(n, 4, "f32", partitions=1)
        psum = out.ring(n, 4, "f32", Memory.PSUM)
        ones = out.ring(128, 1, "f32", partitions=1)
        ones.next()
        groups = range(self.channels // 128)
        inputs: list[tuple[Operand, Operand]] = []
        for _, state in product(groups, range(self.states)):
            if state == 0 or self.reload:
                inputs = [_inputs(out, rings) for _ in range(tiles)]
            out.load(column.next())
            for delta, scaled_input in inputs:
                b, c = (_broadcast(out, row, ones, psum) for _ in range(2))
                decay, scaled = rings["decay"].next(), rings["scaled"].next()
                result, weighted = rings["state"].next(), rings["weighted"].next()
                out.activate("exponential", decay, delta)
                out.combine("multiply", scaled, scaled_input, b)
                out.combine("multiply", result, decay, scaled)
                out.combine("multiply", weighted, result, c)
                total = rings["sum"].next()
                out.combine("add", total, total, weighted)
                if state == self.states - 1:
                    out.store(total)
        return out


def _inputs(out: Schedule, rings: Mapping[str, Ring]) -> tuple[Operand, Operand]:
    """Delta, and its product with the input."""
    delta, u, scaled = (rings[name].next() for name in ("delta", "u", "product"))
    out.load(delta)
    out.load(u)
    out.combine("multiply", scaled, delta, u)
    return delta, scaled


def _broadcast(out: Schedule, row: Ring, ones: Ring, psum: Ring) -> Operand:
    """One row on all partitions: a product with a column of ones."""
    line, spread = row.next(), psum.next()
    out.load(line)
    out.matmul(spread, ones.operand(0, 128), line, True)
    return spread


def dependent_activations(hw: Generation, count: int) -> Schedule:
    """One-element activations, each of the result of the one before."""
    out = Schedule(hw)
    value = out.ring(1, 1, "f32").next()
    for _ in range(count):
        out.activate("exponential", value, value)
    return out
