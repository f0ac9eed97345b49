"""Multiply neighbouring row blocks in one call, from operands copied together where they are apart.

    psum[0:128] = sum of a0[k].T @ b[k]; psum[128:256] = sum of a1[k].T @ b[k]
  becomes
    left[K, 256] = [a0, a1]; moving[K, N] = b; psum[0:256] = left.T @ moving

A tensor engine multiplies 128 x 128 x 512 at a time; BLAS is a fifth faster on twice the rows and
all of K. Large products take turns with everything else, all that depend on what is done, so that
those of neighbouring PSUM banks, which are one matrix in the host's memory, come together. At most
`ROWS_MAX` rows are one call: two workers share what a kernel's banks hold. Whatever their number
and speed, the calls are the same. Products with a vector are put together in `vectors`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from neuronc.isa import instructions as isa
from neuronc.runtime import vectors
from neuronc.runtime.nodes import HOST, Node, Places
from neuronc.runtime.packing import FLOAT, Packer, all_joined, one_matrix, parts, product
from neuronc.runtime.schedule import dependences
from neuronc.runtime.turns import turns
from neuronc.runtime.views import View

ROWS_MAX = 256
STACK_MIN = 1 << 23
"""Multiply-adds of a product that is worth waiting for others, and copies of its operands."""


def stack(nodes: Sequence[Node], places: Places) -> tuple[list[Node], int]:
    """The nodes in turns, products stacked; and the bytes of `HOST` that they use."""
    places.add(nodes)
    packer = Packer(places)
    waits = [_is_large(node) or vectors.is_thin(node) for node in nodes]
    for others, products in turns(nodes, waits, dependences(nodes, places)):
        for node in others:
            if node.is_plain_float:
                _multiply(packer, [node])
            else:
                packer.emit(node)
        thin = [node for node in products if vectors.is_thin(node)]
        for group in vectors.groups(thin):
            vectors.multiply(packer, group)
        for group in _groups([node for node in products if not vectors.is_thin(node)]):
            _multiply(packer, group)
    return packer.out, packer.room.end


def _is_large(node: Node) -> bool:
    """Whether a product takes turns: small ones run where they are, while operands are in cache."""
    return node.is_plain_float and node.depth * node.views["dst"].size >= STACK_MIN


def _groups(products: Sequence[Node]) -> Iterator[list[Node]]:
    """Those whose results are neighbours and whose moving operands are the same, together."""
    alike: dict[object, list[Node]] = {}
    for node in products:
        assert isinstance(node.instruction, isa.MatMul)
        moving = tuple(node.views[name] for _, name in node.factors)
        alike.setdefault((moving, bool(node.instruction.accumulate)), []).append(node)
    for nodes in alike.values():
        nodes.sort(key=lambda node: node.views["dst"].offset)
        group = nodes[:1]
        for node in nodes[1:]:
            both = _rows([*group, node])
            if both is None or both.shape[0] > ROWS_MAX:
                yield group
                group = []
            group.append(node)
        yield group


def _multiply(packer: Packer, group: Sequence[Node]) -> None:
    """Emit the product of a group as one call, or as many as its operands make it."""
    first, dst = group[0], _rows(group)
    assert dst is not None
    left = tuple(tuple(node.views[name] for node in group) for name, _ in first.factors)
    moving = tuple((first.views[name],) for _, name in first.factors)
    one, two = one_matrix(left), one_matrix(moving)
    if _is_large(first) or _is_small(left[0][0]) or _is_small(moving[0][0]):
        made = {node.views[name]: place for node in group for name, place in node.reads.items()}
        one, two = one or packer.packed(left, made), two or packer.packed(moving, made)
        if one is not None and one.space == HOST and left not in packer.packs:
            # The second copy took the room of the first, which had been there for long.
            one = packer.packed(left, made)
            two = two if (two and two.space != HOST) or moving in packer.packs else None
    if one is None or two is None:
        for part in (part for node in group for part in parts(node)):
            packer.emit(part)
        return
    packer.emit(product(first, dst, one, two), *group[1:])


def _rows(group: Sequence[Node]) -> View | None:
    """The results of a group as one matrix."""
    return all_joined([node.views["dst"] for node in group], 0)


def _is_small(view: View) -> bool:
    """Whether a float is to be converted to float32."""
    return view.dtype != FLOAT
