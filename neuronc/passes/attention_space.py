"""An attention over one space: batch, rows (queries), keys, width of a value, depth of a key.

Every access, of q, k, v, a mask, a bias or the result, is strides over that space. What role a
dimension has follows from who steps along it, not from how the program groups it: heads that share
their keys and values, by broadcasting or by design, are rows.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

from xdsl.ir import Operation, SSAValue

from neuronc.dialects.access import Affine
from neuronc.dialects.types import shape_of
from neuronc.passes.atoms import (
    Atoms,
    Dim,
    Pieces,
    align_all,
    atoms_of,
    compose,
    dense_atoms,
    table_of,
)
from neuronc.passes.attention import Attention, Stop
from neuronc.passes.attributes import ints
from neuronc.passes.iteration import Strided, collapse

BATCH, ROWS, KEYS, WIDTH, DEPTH = range(5)
"""The classes of dimensions."""
Key = str | Operation | tuple[Operation, int]
_SINGLE = (KEYS, WIDTH, DEPTH)


@dataclass(frozen=True)
class Space:
    """The collapsed space, and every access over it."""

    sizes: tuple[int, ...]
    groups: tuple[int, ...]
    accesses: Mapping[Key, Strided]
    """ "q", "k", "v", "out"; (op, operand) of a load; the op of a select by position."""

    def of(self, *groups: int) -> list[int]:
        """The dimensions of some classes, outermost first."""
        return [d for d, g in enumerate(self.groups) if g in groups]

    def extents(self, group: int) -> list[int]:
        """Their sizes."""
        return [self.sizes[d] for d in self.of(group)]

    def extent(self, group: int) -> int:
        """How many indices one class has."""
        return prod(self.extents(group))

    def strides(self, key: Key, group: int) -> list[int]:
        """An access's strides over one class."""
        return [self.accesses[key].strides[d] for d in self.of(group)]

    def stride(self, key: Key, group: int) -> int:
        """Its stride over a class that is one dimension."""
        (step,) = self.strides(key, group)
        return step

    def offset(self, key: Key, batch: Sequence[Affine]) -> Affine:
        """Where an access starts at one index of the batch."""
        total = Affine(self.accesses[key].offset)
        for start, step in zip(batch, self.strides(key, BATCH), strict=True):
            total = total + start * step
        return total


def space_of(it: Attention, final: SSAValue, stop: Stop) -> Space | None:
    """Lay an attention, whose result is seen as `final`, over one space; None if it has none."""
    walked = _walks(it, final, stop)
    if walked is None:
        return None
    walks, width, depth = walked
    cuts = {1, depth, width * depth, width * depth * prod(shape_of(it.score.results[0]))}
    every = [*(p for _, p in walks.values()), [(n, s * width * depth, 0) for n, s, _ in it.keys]]
    cuts |= {c for pieces in every for n, s, _ in pieces for c in (s, s * n)}
    bounds = sorted(cuts)
    if any(b % a for a, b in itertools.pairwise(bounds)):
        return None
    atoms = [(b // a, a) for a, b in itertools.pairwise(bounds)]
    group = {a: _role(it, walks, a, width, depth) for _, a in atoms}
    # What a mask or bias steps along comes last, and so do many queries: few tiles cross them.
    placed = [walks[key][1] for key in (*it.visible, *it.loads)]

    def position(atom: tuple[int, int]) -> tuple[int, bool, int, int]:
        size, at = atom
        rows = group[at] == ROWS
        return group[at], rows and any(_step(p, at) for p in placed), rows * size, -at

    atoms.sort(key=position)
    accesses = [
        Strided(view.source, view.offset, tuple(_step(pieces, a) for _, a in atoms))
        for view, pieces in walks.values()
    ]
    sizes, groups, merged = collapse([n for n, _ in atoms], [group[a] for _, a in atoms], accesses)
    space = Space(sizes, groups, dict(zip(walks, merged, strict=True)))
    return space if all(len(space.of(g)) == 1 for g in _SINGLE) else None


@dataclass(frozen=True)
class _Dims:
    """The dimensions of an operand of a product, by what becomes of them."""

    batch: list[int]
    over: list[int]
    free: list[int]

    @staticmethod
    def of(op: Operation, side: int, rank: int) -> _Dims:
        """Those of the left (0) or right (1) operand."""
        name = ("lhs", "rhs")[side]
        batch = ints(op, f"{name}_batching_dimensions")
        over = ints(op, f"{name}_contracting_dimensions")
        return _Dims(batch, over, [d for d in range(rank) if d not in (*over, *batch)])


@dataclass(frozen=True)
class _Frame:
    """The scores x width x depth, along which every access steps."""

    width: int
    depth: int
    outer: list[Dim]
    """Those of a value's width."""
    inner: list[Dim]
    """Those of a key's depth."""
    values: _Dims
    weights: _Dims
    layout: list[Dim]
    """How the weights of the values lie in the scores."""

    @staticmethod
    def of(it: Attention) -> _Frame:
        """That of one attention."""
        keys, values = shape_of(it.score.operands[0]), shape_of(it.value.operands[1 - it.weight])
        over = _Dims.of(it.score, 0, len(keys)).over
        value = _Dims.of(it.value, 1 - it.weight, len(values))
        lengths, widths = [keys[d] for d in over], [values[d] for d in value.free]
        width, depth = prod(widths), prod(lengths)
        layout = _scaled(it.layouts[it.value.operands[it.weight]], width * depth)
        return _Frame(
            width,
            depth,
            _scaled(dense_atoms(None, widths).dims, depth),
            list(dense_atoms(None, lengths).dims),
            value,
            _Dims.of(it.value, it.weight, len(layout)),
            layout,
        )

    @property
    def size(self) -> int:
        """Elements for each score."""
        return self.width * self.depth


def _scaled(dims: Sequence[Dim], by: int) -> list[Dim]:
    return [tuple((n, s * by) for n, s in dim) for dim in dims]


Walk = tuple[Atoms, Pieces]


def _walks(it: Attention, final: SSAValue, stop: Stop) -> tuple[dict[Key, Walk], int, int] | None:
    """Each access: the view, and its strides beside those of scores x width x depth."""
    frame = _Frame.of(it)
    walks = _score_walks(it, frame, stop)
    value, result = _value_walk(it, frame, stop), _result_walk(it, frame, final)
    if len(walks) != 2 or value is None or result is None:
        return None
    walks["v"], walks["out"] = value, result
    for key, (atoms, found) in it.loads.items():
        walks[key] = (atoms, tuple((n, s * frame.size, t) for n, s, t in found))
    for op, (visible, found) in it.visible.items():
        walks[op] = (visible.atoms, tuple((n, s * frame.size, t) for n, s, t in found))
    return walks, frame.width, frame.depth


def _score_walks(it: Attention, frame: _Frame, stop: Stop) -> dict[Key, Walk]:
    """Queries and keys, told apart by who steps along the keys; fewer than two if not possible."""
    sides = [_Dims.of(it.score, i, len(shape_of(v))) for i, v in enumerate(it.score.operands)]
    base = _scaled(dense_atoms(None, shape_of(it.score.results[0])).dims, frame.size)
    batch = len(sides[0].batch)
    rows = batch + len(sides[0].free)
    walks: dict[Key, Walk] = {}
    for dims, value, free in zip(
        sides, it.score.operands, (base[batch:rows], base[rows:]), strict=True
    ):
        view = atoms_of(value, stop)
        if view is None:
            break
        mine = [view.dims[d] for d in (*dims.batch, *dims.free, *dims.over)]
        pieces = align_all([*base[:batch], *free, *frame.inner], mine)
        if pieces is None:
            break
        walks["k" if _steps(it, pieces, frame.size) else "q"] = (view, pieces)
    return walks


def _value_walk(it: Attention, frame: _Frame, stop: Stop) -> Walk | None:
    value = atoms_of(it.value.operands[1 - it.weight], stop)
    if value is None:
        return None
    dims, weights = frame.values, frame.weights
    mine = [value.dims[d] for d in (*dims.batch, *dims.over, *dims.free)]
    met = [frame.layout[d] for d in (*weights.batch, *weights.over)]
    pieces = align_all([*met, *frame.outer], mine)
    return None if pieces is None else (value, pieces)


def _result_walk(it: Attention, frame: _Frame, final: SSAValue) -> Walk | None:
    """What is stored, through the views between it and the product with the values."""
    batch, rows = (
        [frame.layout[d] for d in ds] for ds in (frame.weights.batch, frame.weights.free)
    )
    parts = [*rows, *frame.outer] if it.weight == 0 else [*frame.outer, *rows]
    made = it.value.results[0]
    seen = atoms_of(final, lambda v: v is made)
    if seen is None:
        return None
    composed = compose(seen.dims, table_of(shape_of(made), [*batch, *parts]))
    if composed is None:
        return None
    table = table_of(shape_of(final), composed)
    return Atoms(final, 0, ()), tuple((n, joint, own) for n, own, joint in table)


def _steps(it: Attention, pieces: Pieces, size: int) -> bool:
    """Whether an access steps along the keys."""
    return any(
        own and n * s * size > joint >= s * size for n, s, _ in it.keys for _, joint, own in pieces
    )


def _role(it: Attention, walks: Mapping[Key, Walk], at: int, width: int, depth: int) -> int:
    """The class of the dimension that steps by `at`."""
    if at < width * depth:
        return DEPTH if at < depth else WIDTH
    base = at // (width * depth)
    if any(s <= base < s * n for n, s, _ in it.keys):
        return KEYS
    return BATCH if any(_step(walks[key][1], at) for key in ("k", "v")) else ROWS


def _step(pieces: Pieces, at: int) -> int:
    """The stride of an access over the dimension that steps by `at`."""
    for size, joint, own in pieces:
        if joint <= at < joint * size:
            return own * (at // joint)
    return 0
