"""What of a contraction the choice of its tiling depends on, and nothing else: alike is alike.

Sizes, strides and element types, what lies on chip already, and what the epilogue reads, computes
and stores; not which values these are.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import prod

from neuronc.dialects.access import Affine
from neuronc.passes.body import Body, element
from neuronc.passes.builder import Builder
from neuronc.passes.contraction import BATCH, COLUMNS, DEPTH, ROWS, Problem
from neuronc.passes.draining import rounds_first
from neuronc.passes.footprint import Footprint, footprint_of
from neuronc.passes.functions import function_name
from neuronc.passes.fuse_activation import ACTIVATIONS
from neuronc.passes.iteration import Load, Strided, Tile
from neuronc.passes.layout import Layout
from neuronc.passes.staging import is_turned


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
        return run_of(taken, self.strides)


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


def facts_of(q: Problem, body: Body, builder: Builder) -> Facts:
    """The facts of a contraction; `builder` knows what is on chip already."""
    dot, *epilogue = body.compute
    names = [function_name(op) for op in epilogue]
    activations = sum(name in ACTIVATIONS for name in names)
    outs = list(zip(body.outputs, body.yielded, strict=True))
    layout_of = builder.residents.layout_of
    stored = [(b, v) for b, v in outs if layout_of(b) is None]
    layouts = [found for b, _ in outs if (found := layout_of(b)) is not None]
    lanes = {_lanes(layout) for layout in layouts}
    read = [
        (layout_of(body.buffers[access.source]), (key.element.bytes, _strides(q, access)))
        for key, access in _tiled_loads(q)
        if access.source is not None
    ]
    return Facts(
        batch=q.size(BATCH),
        sides=tuple((g, _side(q, g, body, builder)) for g in (ROWS, COLUMNS)),
        depth=tuple(q.extents(DEPTH)),
        depth_strides=tuple((g, tuple(q.strides(q.operand(g), DEPTH))) for g in (ROWS, COLUMNS)),
        bytes=element(dot.operands[0]).bytes,
        casts=int(rounds_first(dot, body.yielded)),
        pairs=len(names) - activations,
        activations=activations,
        loads=tuple(load for layout, load in read if layout is None),
        near=tuple((_lanes(layout), load) for layout, load in read if layout is not None),
        stores=tuple((element(v).bytes, _strides(q, q.others[b])) for b, v in stored),
        lanes=tuple(sorted(lanes)) or (ROWS, COLUMNS),
    )


def _lanes(layout: Layout) -> int:
    """Which class of dimensions lies on the partitions of a block that stays."""
    return COLUMNS if layout.across else ROWS


def _tiled_loads(q: Problem) -> list[tuple[Load, Strided]]:
    """What the epilogue reads that differs from element to element of the result."""
    return [
        (key, access)
        for key, access in q.others.items()
        if isinstance(key, Load) and all(any(q.strides(access, g)) for g in (ROWS, COLUMNS))
    ]


def _strides(q: Problem, access: Strided) -> tuple[tuple[int, tuple[int, ...]], ...]:
    return tuple((g, tuple(q.strides(access, g))) for g in (ROWS, COLUMNS))


def _side(q: Problem, group: int, body: Body, builder: Builder) -> Side:
    access = q.operand(group)
    layout = builder.residents.layout_of(body.buffers[access.source]) if access.source else None
    near, turned = layout is not None, is_turned(q, group, layout)
    strides = tuple(q.strides(access, group))
    return Side(tuple(q.extents(group)), strides, turned, near and not turned, near)


@cache
def run_of(taken: tuple[int, ...], strides: tuple[int, ...]) -> int:
    """Contiguous elements of a block of some dimensions."""
    pairs = Tile((Affine(),) * len(strides), taken[: len(strides)]).pairs(strides)
    return pairs[-1][1] if pairs and pairs[-1][0] == 1 else 1
