"""Views whose dimensions may step unevenly: each dimension is a list of (size, stride) atoms.

    reshape(broadcast(k[B, 1, S, D] over 4 heads)) to [B*4, S, D]
  reads dimension 0 as the atoms (B, S*D), (4, 0)

NumPy strides cannot say that, so such a reshape would need a copy; a kernel that walks the atoms as
dimensions of its own needs none. Atoms run from the outermost to the innermost; sizes of 1 are
left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod

from xdsl.ir import Block, Operation, SSAValue

from neuronc.dialects.stablehlo.movement import (
    BroadcastInDimOp,
    IotaOp,
    ReshapeOp,
    SliceOp,
    TransposeOp,
)
from neuronc.dialects.types import shape_of
from neuronc.passes.attributes import integer, ints

Dim = tuple[tuple[int, int], ...]
Pieces = tuple[tuple[int, int, int], ...]
"""(size, stride in one space, stride in another): how two spaces are walked together."""


@dataclass(frozen=True)
class Atoms:
    """offset + sum(index * stride) into `source` (None: the number itself, an iota)."""

    source: SSAValue | None
    offset: int
    dims: tuple[Dim, ...]


def dense_atoms(source: SSAValue | None, shape: Sequence[int]) -> Atoms:
    """A whole row-major buffer."""
    steps = [prod(shape[d + 1 :]) for d in range(len(shape))]
    dims = tuple(_dim(n, s) for n, s in zip(shape, steps, strict=True))
    return Atoms(source, 0, dims)


def atoms_of(value: SSAValue, stop: Callable[[SSAValue], bool]) -> Atoms | None:
    """Follow view ops from `value` to where `stop` holds or an iota; None where that fails."""
    if stop(value):
        return dense_atoms(value, shape_of(value))
    op = value.owner
    if isinstance(op, Block):
        return None
    if isinstance(op, IotaOp):
        at = integer(op, "iota_dimension")
        return Atoms(None, 0, tuple(_dim(n, int(d == at)) for d, n in enumerate(shape_of(value))))
    inner = atoms_of(op.operands[0], stop) if type(op) in _RULES else None
    return apply_atoms(op, inner) if inner is not None else None


def apply_atoms(op: Operation, view: Atoms) -> Atoms | None:
    """What a view op makes of its operand's atoms; None where they cannot say it."""
    rule = _RULES.get(type(op))
    return rule(op, view) if rule else None


def align(left: Sequence[tuple[int, int]], right: Sequence[tuple[int, int]]) -> Pieces | None:
    """Walk two lists of atoms of one total size together; None where their cuts cross."""
    a, b = [n for n in left if n[0] > 1], [n for n in right if n[0] > 1]
    out: list[tuple[int, int, int]] = []
    while a and b:
        (n, s), (m, t) = a.pop(), b.pop()
        size = min(n, m)
        if n % size or m % size:
            return None
        out.append((size, s, t))
        if n > size:
            a.append((n // size, s * size))
        if m > size:
            b.append((m // size, t * size))
    return tuple(reversed(out)) if not a and not b else None


def align_all(left: Sequence[Dim], right: Sequence[Dim]) -> Pieces | None:
    """`align` of dimension by dimension."""
    found: list[tuple[int, int, int]] = []
    for a, b in zip(left, right, strict=True):
        pieces = align(a, b)
        if pieces is None:
            return None
        found += pieces
    return tuple(found)


def normal(pieces: Sequence[tuple[int, int, int]]) -> Pieces:
    """Sorted by the first space, with neighbours joined that both spaces walk as one."""
    out: list[tuple[int, int, int]] = []
    for size, s, t in sorted(pieces, key=lambda p: -p[1]):
        if out and out[-1][1] == s * size and out[-1][2] == t * size:
            size, *_ = (out.pop()[0] * size,)
        out.append((size, s, t))
    return tuple(out)


def compose(dims: Sequence[Dim], table: Pieces) -> tuple[Dim, ...] | None:
    """Rewrite strides over the first space of `table` as strides over the second."""
    out: list[Dim] = []
    for dim in dims:
        atoms: list[tuple[int, int]] = []
        for size, step in dim:
            found = _through(size, step, table)
            if found is None:
                return None
            atoms += found
        out.append(tuple(atoms))
    return tuple(out)


def table_of(shape: Sequence[int], dims: Sequence[Dim]) -> Pieces:
    """A dense value's own strides beside what its dimensions walk."""
    out: list[tuple[int, int, int]] = []
    for d, dim in enumerate(dims):
        step = prod(shape[d + 1 :])
        for at, (size, stride) in enumerate(dim):
            out.append((size, step * prod(n for n, _ in dim[at + 1 :]), stride))
    return tuple(out)


def _through(size: int, step: int, table: Pieces) -> list[tuple[int, int]] | None:
    """One atom of the first space as atoms of the second, outermost first."""
    out: list[tuple[int, int]] = []
    if step == 0:
        return [(size, 0)]
    while size > 1:
        entry = next((e for e in table if e[1] <= step < e[1] * e[0]), None)
        if entry is None or step % entry[1]:
            return None
        count, start, stride = entry
        inner = step // start
        if count % inner:
            return None
        taken = min(size, count // inner)
        if size % taken or (taken < size and (count // inner) != taken):
            return None
        out.insert(0, (taken, stride * inner))
        size, step = size // taken, step * taken
    return out


def _dim(size: int, stride: int) -> Dim:
    return ((size, stride),) if size > 1 else ()


def _reshape(op: Operation, view: Atoms) -> Atoms | None:
    atoms = [a for dim in view.dims for a in dim]
    dims: list[Dim] = []
    for size in reversed(shape_of(op.results[0])):
        dim: list[tuple[int, int]] = []
        while size > 1:
            count, step = atoms.pop()
            taken = min(count, size)
            if count % taken or size % taken:
                return None
            dim.insert(0, (taken, step))
            if count > taken:
                atoms.append((count // taken, step * taken))
            size //= taken
        dims.insert(0, tuple(dim))
    return replace(view, dims=tuple(dims))


def _broadcast(op: Operation, view: Atoms) -> Atoms | None:
    shape = shape_of(op.results[0])
    dims = [_dim(n, 0) for n in shape]
    before = shape_of(op.operands[0])
    for at, size, dim in zip(ints(op, "broadcast_dimensions"), before, view.dims, strict=True):
        if size > 1:
            dims[at] = dim
    return replace(view, dims=tuple(dims))


def _transpose(op: Operation, view: Atoms) -> Atoms | None:
    return replace(view, dims=tuple(view.dims[d] for d in ints(op, "permutation")))


def _slice(op: Operation, view: Atoms) -> Atoms | None:
    starts, steps = ints(op, "start_indices"), ints(op, "strides")
    before, after = shape_of(op.operands[0]), shape_of(op.results[0])
    dims, offset = list(view.dims), view.offset
    for d, (start, step) in enumerate(zip(starts, steps, strict=True)):
        if before[d] == after[d]:
            continue
        if len(dims[d]) != 1:
            return None
        stride = dims[d][0][1]
        offset += start * stride
        dims[d] = _dim(after[d], stride * step)
    return Atoms(view.source, offset, tuple(dims))


_RULES: Mapping[type[Operation], Callable[[Operation, Atoms], Atoms | None]] = {
    BroadcastInDimOp: _broadcast,
    ReshapeOp: _reshape,
    SliceOp: _slice,
    TransposeOp: _transpose,
}
