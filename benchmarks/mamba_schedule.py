"""The selective scan of the published Mamba kernels, as records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

from schedules import Ring, Schedule

from neuronc.hardware import Generation
from neuronc.isa.operands import Memory, Operand

NAMES = ("delta", "u", "product", "decay", "scaled", "state", "weighted", "sum")
"""The blocks of one piece of tokens; the first three are there for all states."""


@dataclass(frozen=True)
class Mamba:
    """A selective scan: channels on partitions, tokens along columns, states in a loop.

    Raises:
        ValueError: if a number is not positive.
    """

    channels: int
    tokens: int
    states: int = 16
    columns: int = 512
    """Tokens of one instruction."""
    reload: bool = False
    """Whether each state loads the inputs again, and multiplies them again."""

    def __post_init__(self) -> None:
        if min(self.channels, self.tokens, self.states, self.columns) < 1:
            raise ValueError(f"channels, tokens, states and columns must be at least 1: {self}")

    def schedule(self, hw: Generation) -> Schedule:
        """The records; the scan is priced as any instruction with two inputs."""
        return _Builder(self, Schedule(hw)).build()


class _Builder:
    def __init__(self, shape: Mamba, out: Schedule) -> None:
        self.shape, self.out = shape, out
        self.widths = _pieces(shape.tokens, shape.columns)
        n = self.widths[0]
        self.rings = {name: out.ring(n, 3, "f32") for name in NAMES[3:]}
        self.column, self.row = out.ring(1, 2, "f32"), out.ring(n, 4, "f32", partitions=1)
        self.psum = out.ring(n, 4, "f32", Memory.PSUM)
        self.ones = out.ring(128, 1, "f32", partitions=1)
        self.ones.next()
        # Twice the pieces, so that the next inputs load behind this work, if SBUF has the room.
        free = out.hw.sbuf_bytes_per_partition - out.used[Memory.SBUF]
        count = max(len(self.widths), min(2 * len(self.widths), free // (3 * 4 * n)))
        self.rings |= {name: out.ring(n, count, "f32") for name in NAMES[:3]}

    def build(self) -> Schedule:
        states = range(self.shape.states)
        inputs: list[tuple[Operand, Operand]] = []
        for rows, state in product(_pieces(self.shape.channels, 128), states):
            if state == 0 or self.shape.reload:
                inputs = [_inputs(self.out, self.rings, width, rows) for width in self.widths]
            self.out.load(self.column.next(1, rows))
            for delta, scaled_input in inputs:
                self.step(delta, scaled_input, state == states[-1])
        return self.out

    def step(self, delta: Operand, scaled_input: Operand, last: bool) -> None:
        """One state over one piece of tokens."""
        (width,), rows = delta.counts, delta.partitions
        b, c = (self.broadcast(width, rows) for _ in range(2))
        names = ("decay", "scaled", "state", "weighted", "sum")
        decay, scaled, result, weighted, total = (self.rings[n].next(width, rows) for n in names)
        self.out.activate("exponential", decay, delta)
        self.out.combine("multiply", scaled, scaled_input, b)
        self.out.combine("multiply", result, decay, scaled)
        self.out.combine("multiply", weighted, result, c)
        self.out.combine("add", total, total, weighted)
        if last:
            self.out.store(total)

    def broadcast(self, width: int, rows: int) -> Operand:
        """One row on all partitions: a product with a column of ones."""
        line, spread = self.row.next(width), self.psum.next(width, rows)
        self.out.load(line)
        self.out.matmul(spread, self.ones.operand(0, rows), line, True)
        return spread


def _pieces(extent: int, size: int) -> list[int]:
    """An extent in pieces of at most `size`."""
    return [min(size, extent - first) for first in range(0, extent, size)]


def _inputs(
    out: Schedule, rings: Mapping[str, Ring], width: int, rows: int
) -> tuple[Operand, Operand]:
    """Delta, and its product with the input."""
    delta, u, scaled = (rings[name].next(width, rows) for name in NAMES[:3])
    out.load(delta)
    out.load(u)
    out.combine("multiply", scaled, delta, u)
    return delta, scaled
