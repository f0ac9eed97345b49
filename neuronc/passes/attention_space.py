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


def _walks(
    it: Attention, final: SSAValue, stop: Stop
) -> tuple[dict[Key, tuple[Atoms, Pieces]], int, int] | None:
    """Each access: the view, and its strides beside those of scores x width x depth."""
    sides = ("lhs", "rhs")
    views = [atoms_of(v, stop) for v in it.score.operands]
    values = it.value.operands[1 - it.weight]
    value = atoms_of(values, stop)
    if None in views or value is None:
        return None
    over = [ints(it.score, f"{side}_contracting_dimensions") for side in sides]
    batch = [ints(it.score, f"{side}_batching_dimensions") for side in sides]
    shapes = [shape_of(v) for v in it.score.operands]
    free = [[d for d in range(len(shapes[i])) if d not in (*over[i], *batch[i])] for i in range(2)]
    value_side, weight_side = sides[1 - it.weight], sides[it.weight]
    value_over = ints(it.value, f"{value_side}_contracting_dimensions")
    value_batch = ints(it.value, f"{value_side}_batching_dimensions")
    shape = shape_of(values)
    value_free = [d for d in range(len(shape)) if d not in (*value_over, *value_batch)]
    depth = prod(shapes[0][d] for d in over[0])
    width = prod(shape[d] for d in value_free)
    size = width * depth

    def scaled(dims: Sequence[Dim]) -> list[Dim]:
        return [tuple((n, s * size) for n, s in dim) for dim in dims]

    base = scaled(dense_atoms(None, shape_of(it.score.results[0])).dims)
    inner = list(dense_atoms(None, [shapes[0][d] for d in over[0]]).dims)
    outer = [
        tuple((n, s * depth) for n, s in dim)
        for dim in dense_atoms(None, [shape[d] for d in value_free]).dims
    ]
    walks: dict[Key, tuple[Atoms, Pieces]] = {}
    counts = [len(batch[0]), len(batch[0]) + len(free[0])]
    frees = [base[counts[0] : counts[1]], base[counts[1] :]]
    for i, view in enumerate(views):
        assert view is not None
        mine = [view.dims[d] for d in (*batch[i], *free[i], *over[i])]
        pieces = align_all([*base[: counts[0]], *frees[i], *inner], mine)
        if pieces is None:
            return None
        walks["k" if _steps(it, pieces, size) else "q"] = (view, pieces)
    weights = it.value.operands[it.weight]
    layout = scaled(it.layouts[weights])
    weight_over = ints(it.value, f"{weight_side}_contracting_dimensions")
    weight_batch = ints(it.value, f"{weight_side}_batching_dimensions")
    weight_free = [d for d in range(len(layout)) if d not in (*weight_over, *weight_batch)]
    mine = [value.dims[d] for d in (*value_batch, *value_over, *value_free)]
    met = [layout[d] for d in (*weight_batch, *weight_over)]
    pieces = align_all([*met, *outer], mine)
    if pieces is None or len(walks) != 2:
        return None
    walks["v"] = (value, pieces)
    rows = [layout[d] for d in weight_free]
    result = [*(layout[d] for d in weight_batch)]
    result += [*rows, *outer] if it.weight == 0 else [*outer, *rows]
    made = it.value.results[0]
    seen = atoms_of(final, lambda v: v is made)
    dims = compose(seen.dims, table_of(shape_of(made), result)) if seen is not None else None
    if seen is None or dims is None:
        return None
    table = table_of(shape_of(final), dims)
    walks["out"] = (Atoms(final, 0, ()), tuple((n, joint, own) for n, own, joint in table))
    for key, (atoms, found) in it.loads.items():
        walks[key] = (atoms, tuple((n, s * size, t) for n, s, t in found))
    for op, (visible, found) in it.visible.items():
        walks[op] = (visible.atoms, tuple((n, s * size, t) for n, s, t in found))
    return walks, width, depth


def _steps(it: Attention, pieces: Pieces, size: int) -> bool:
    """Whether an access steps along the keys."""
    return any(
        own and n * s * size > joint >= s * size for n, s, _ in it.keys for _, joint, own in pieces
    )


def _role(
    it: Attention, walks: Mapping[Key, tuple[Atoms, Pieces]], at: int, width: int, depth: int
) -> int:
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
