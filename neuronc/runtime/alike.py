"""Put small calls that are alike into one.

    Select(head 0); Select(head 1); ... each of [64, 64], at even distances
  becomes
    Select of [heads, 64, 64]

A call of a few microseconds costs as much again to make, and several times that where two workers
share an interpreter. So small nodes wait for others of the same instruction and shapes, and those
that depend on nothing of each other run together where all their operands lie at even distances:
on views with one dimension more, products as one `np.matmul`. They are looked for within
`SEGMENT_BYTES` of results, so that what one makes is in the cache for the next. Copies, which are
quick, may be larger, and gain more dimensions: the taps of a filter together are one matrix to
transpose. Each element is computed as before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from neuronc.isa import instructions as isa
from neuronc.runtime.copies import stacked
from neuronc.runtime.forward import copied
from neuronc.runtime.nodes import OPAQUE, Node, Places, Spaces, number, retargeted
from neuronc.runtime.packing import copy
from neuronc.runtime.schedule import dependences
from neuronc.runtime.turns import turns
from neuronc.runtime.views import View

SMALL_MAX = 1 << 14
"""Elements of a node that waits for others."""
TOGETHER_MAX = 1 << 16
"""Elements of a call."""
COPY_MAX = 1 << 15
"""Elements of a copy that waits for others."""
COPIES_MAX = 1 << 18
"""Elements of a call that copies."""
PRODUCT_MAX = 1 << 20
"""Multiply-adds of a product that waits for others."""
PRODUCTS_MAX = 1 << 22
"""Multiply-adds of a batch."""
SEGMENT_BYTES = 1 << 20
"""Results of the nodes among which those that are alike are looked for: about a core's cache."""
COPIES_BYTES = 1 << 22
"""The same where more copies follow."""
_ELEMENTWISE = (
    isa.Activation,
    isa.Copy,
    isa.DmaCopy,
    isa.Elementwise,
    isa.Memset,
    isa.ScalarTensorTensor,
    isa.Select,
    isa.TensorReduce,
    isa.TensorScalar,
    isa.TensorTensor,
)
"""Instructions that mean the same with one more dimension before the others."""
_COPIES = (isa.Copy, isa.DmaCopy)


def gather(nodes: Sequence[Node], spaces: Spaces) -> list[Node]:
    """The nodes in a legal order, small ones that are alike together."""
    nodes = [_plain(node) for node in nodes]
    places = number(nodes, spaces)
    return [made for part in _segments(nodes) for made in _gathered(part, places)]


def _segments(nodes: Sequence[Node]) -> Iterator[list[Node]]:
    """The nodes in order, up to so many bytes of results at a time."""
    part: list[Node] = []
    size = 0
    for node in nodes:
        most = COPIES_BYTES if isinstance(node.instruction, _COPIES) else SEGMENT_BYTES
        if size > most:
            yield part
            part, size = [], 0
        size += sum(v.size * v.itemsize for v in _results(node))
        part.append(node)
    yield part


def _gathered(nodes: Sequence[Node], places: Places) -> Iterator[Node]:
    keys = [_key(node) if _is_small(node) else None for node in nodes]
    count = Counter(key for key in keys if key)
    waits = [key is not None and count[key] > 1 for key in keys]
    if not any(waits):
        yield from nodes
        return
    for others, small in turns(nodes, waits, dependences(nodes, places)):
        yield from others
        yield from _batches(small)


def _plain(node: Node) -> Node:
    """The transposition of a vector as the copy that it is."""
    is_vector = isinstance(node.instruction, isa.Transpose) and 1 in node.views["dst"].shape
    pair = copied(node) if is_vector else None
    return copy(*pair) if pair else node


def _is_small(node: Node) -> bool:
    if node.is_gemm:
        return "dst" not in node.read and node.depth * node.views["dst"].size <= PRODUCT_MAX
    if not isinstance(node.instruction, _ELEMENTWISE):
        return False
    ranks = {len(view.shape) for view in node.views.values()}
    even = len(ranks) == 1 or isinstance(node.instruction, isa.TensorReduce)
    most = COPY_MAX if isinstance(node.instruction, _COPIES) else SMALL_MAX
    return even and max(view.size for view in node.views.values()) <= most


def _key(node: Node) -> object:
    """What nodes of one call have in common."""
    instr = node.instruction
    words = tuple(getattr(instr, word) for word in instr.words)
    views = tuple(
        (name, view.space, view.dtype, view.shape, view.strides)
        for name, view in node.views.items()
    )
    return type(instr), words, views, node.read


def _batches(nodes: Sequence[Node]) -> Iterator[Node]:
    """Those that are alike together, where that is possible."""
    alike: dict[object, list[Node]] = {}
    for node in nodes:
        alike.setdefault(_key(node), []).append(node)
    for group in alike.values():
        group.sort(key=lambda node: node.views["dst"].offset)
        if isinstance(group[0].instruction, _COPIES):
            yield from stacked(group, size_max=COPIES_MAX)
        else:
            yield from _stacks(group)


def _stacks(group: list[Node]) -> Iterator[Node]:
    """Nodes at even distances as one of views with a dimension more."""
    first = group[0]
    most = TOGETHER_MAX // max(view.size for view in first.views.values())
    if first.is_gemm:
        most = PRODUCTS_MAX // (first.depth * first.views["dst"].size)
    stack, steps = group[:1], None
    for node in group[1:]:
        found = _steps(stack[-1], node)
        if found is None or len(stack) == most or (steps is not None and found != steps):
            yield _stacked(stack, steps)
            stack, steps = [node], None
        else:
            stack, steps = [*stack, node], found
    yield _stacked(stack, steps)


def _steps(one: Node, two: Node) -> dict[str, int] | None:
    """Bytes from the operands of one node to those of another; None where a view cannot step so."""
    steps = {name: two.views[name].offset - view.offset for name, view in one.views.items()}
    fits = all(step >= 0 and not step % one.views[name].itemsize for name, step in steps.items())
    return steps if fits else None


def _stacked(stack: Sequence[Node], steps: dict[str, int] | None) -> Node:
    first = stack[0]
    if steps is None:
        return first
    views = {name: _repeated(view, len(stack), steps[name]) for name, view in first.views.items()}
    return retargeted(first, views)


def _repeated(view: View, count: int, step: int) -> View:
    return replace(view, shape=(count, *view.shape), strides=(step, *view.strides))


def _results(node: Node) -> list[View]:
    if isinstance(node.instruction, OPAQUE):
        return []
    return [node.views[name] for name in node.written]
