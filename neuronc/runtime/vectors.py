"""Multiply a vector with neighbouring blocks of a matrix in one call.

    psum0[128, 1] = sum of a0[k].T @ x[k]; psum1[128, 1] = sum of a1[k].T @ x[k]
  becomes
    moving[K, 1] = x; sums[256, 1] = [a0, a1].T @ moving; psum0 = sums[0:128]; psum1 = sums[128:256]

A token's products read each weight once, at the speed of memory, which is higher for long rows
than for blocks of 128 columns. The matrix stays where it is; the vector is copied together. So is
the result: the next product does not wait for a PSUM bank, and two workers share a long kernel.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from operator import itemgetter

from neuronc.isa import instructions as isa
from neuronc.runtime import packing
from neuronc.runtime.nodes import Node
from neuronc.runtime.packing import FLOAT, Packer, one_matrix
from neuronc.runtime.views import View, joined

THIN_MIN = 1 << 16
"""Elements of a block that is worth waiting for others."""
MATRIX_MAX = 1 << 20
"""Elements of the matrix of a call: two workers share what is larger."""


def is_thin(node: Node) -> bool:
    """Whether a product is one of a vector and a block of a matrix, which take turns."""
    if not node.is_plain_float or 1 not in node.views["dst"].shape:
        return False
    matrix = node.views[node.factors[0][_matrix(node)]]
    return matrix.dtype == FLOAT and node.depth * node.views["dst"].size >= THIN_MIN


def _matrix(node: Node) -> int:
    """Which operand of a factor is the matrix."""
    return 0 if node.views["dst"].shape[1] == 1 else 1


def groups(products: Sequence[Node]) -> Iterator[list[Node]]:
    """Those of the same vector whose matrices are neighbours, together."""
    alike: dict[object, list[Node]] = {}
    for node in products:
        assert isinstance(node.instruction, isa.MatMul)
        side = _matrix(node)
        vector = tuple(node.views[pair[1 - side]] for pair in node.factors)
        alike.setdefault((vector, side, node.instruction.accumulate), []).append(node)
    for nodes in alike.values():
        nodes.sort(key=lambda node: _blocks(node)[0].offset)
        group, size = nodes[:1], nodes[0].views["dst"].size
        for node in nodes[1:]:
            size += node.views["dst"].size
            if size * node.depth > MATRIX_MAX or not _follows(group[-1], node):
                yield group
                group, size = [], node.views["dst"].size
            group.append(node)
        yield group


def _blocks(node: Node) -> list[View]:
    return [node.views[name] for name in map(itemgetter(_matrix(node)), node.factors)]


def _follows(one: Node, two: Node) -> bool:
    """Whether the block of one product is followed by that of another, for each part of K."""
    pairs = zip(_blocks(one), _blocks(two), strict=True)
    return all(joined(a, b, 1) is not None for a, b in pairs)


def multiply(packer: Packer, group: Sequence[Node]) -> None:
    """Emit the product of a group as one call, and copies of its result to the blocks' places."""
    first, side = group[0], _matrix(group[0])
    matrix = one_matrix(tuple(zip(*map(_blocks, group), strict=True)))
    size = sum(node.views["dst"].size for node in group)
    fits = 4 * (size + 2 * first.depth) <= packing.ROOM_BYTES
    if matrix is None or not fits or "dst" in first.reads:
        for part in (part for node in group for part in packing.parts(node)):
            packer.emit(part)
        return
    # The vector's copy comes after the result's room, which may have been its own.
    whole = packer.result(*((size, 1) if side == 0 else (1, size)))
    vector = _vector(packer, first, side)
    operands = (matrix, vector) if side == 0 else (vector, matrix)
    packer.out.append(replace(packing.product(first, whole, *operands), writes={}))
    for node, part in zip(group, _split(whole, group, side), strict=True):
        packer.emit(replace(packing.copy(node.views["dst"], part), writes=node.writes))


def _vector(packer: Packer, node: Node, side: int) -> View:
    blocks = tuple((node.views[pair[1 - side]],) for pair in node.factors)
    places = {node.views[name]: place for name, place in node.reads.items()}
    found = one_matrix(blocks) or packer.packed(blocks, places)
    assert found is not None
    return found


def _split(whole: View, group: Sequence[Node], axis: int) -> Iterator[View]:
    """The parts of a result, block by block."""
    at = whole.offset
    for node in group:
        shape = node.views["dst"].shape
        yield replace(whole, offset=at, shape=shape)
        at += 4 * shape[axis]
