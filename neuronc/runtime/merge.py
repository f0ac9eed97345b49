"""Merge the matmuls of one accumulation group whose operands follow one another.

    psum = a[0:128].T @ b[0:128]; psum += a[128:256].T @ b[128:256]; ...
  becomes
    psum = a[0:K].T @ b[0:K]

Where loads are forwarded, the tiles along K are parts of one matrix again, and BLAS is faster on
the whole. Where operands lie in several runs, a group becomes one call (`windows`). A group ends
where something else touches its result or changes an operand, so what runs does not depend on who
else runs. Sums are then rounded in BLAS's order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from neuronc.isa import instructions as isa
from neuronc.runtime.nodes import Node, Places, Spaces, number
from neuronc.runtime.views import View, is_blas, joined


@dataclass(eq=False)
class _Group:
    """Matmuls into one place, in order, so far; `at` is where the last one stood."""

    dst: View
    nodes: list[Node]
    at: int
    open: bool = True
    operands: set[int] = field(default_factory=set[int])


def merge_accumulations(nodes: Sequence[Node], spaces: Spaces) -> list[Node]:
    """Merge along K; the merged matmul stands where the last of its parts stood."""
    merger = _Merger(number(nodes, spaces))
    for at, node in enumerate(nodes):
        merger.visit(node, at)
    return [made for at in range(len(nodes)) for made in merger.emitted(at)]


class _Merger:
    def __init__(self, places: Places) -> None:
        self.overlaps = places.overlaps
        self.writers: dict[int, list[_Group]] = {}
        """Open groups by the place of their result."""
        self.readers: dict[int, list[_Group]] = {}
        """Open groups by the places of their operands."""
        self.at: dict[int, list[Node]] = {}
        self.groups: list[_Group] = []

    def visit(self, node: Node, at: int) -> None:
        """End the groups that a node interferes with; add it to one, or start one."""
        own = self._own(node)
        for place in node.reads.values():
            self._end(place, self.writers, own)
        for place in node.writes.values():
            self._end(place, self.writers, own)
            self._end(place, self.readers, None)
        if own is not None and not own.open:
            own = None
        if not node.multiplies:
            self.at.setdefault(at, []).append(node)
            return
        if own is None:
            own = _Group(node.views["dst"], [], at)
            self.groups.append(own)
            self.writers.setdefault(node.writes["dst"], []).append(own)
        _append(own, node)
        own.at = at
        for name in ("left", "moving"):
            place = node.reads[name]
            if place >= 0 and place not in own.operands:
                own.operands.add(place)
                self.readers.setdefault(place, []).append(own)

    def emitted(self, at: int) -> list[Node]:
        """What stands at a position at last."""
        if self.groups:
            for group in self.groups:
                self.at.setdefault(group.at, []).extend(_together(group.nodes))
            self.groups = []
        return self.at.get(at, [])

    def _own(self, node: Node) -> _Group | None:
        if not node.multiplies or "dst" not in node.reads:
            return None
        found = self.writers.get(node.writes["dst"], [])
        return next((g for g in found if g.open and g.dst == node.views["dst"]), None)

    def _end(self, place: int, table: dict[int, list[_Group]], but: _Group | None) -> None:
        if place < 0:
            return
        for other in (place, *self.overlaps[place]):
            groups = table.get(other)
            if groups:
                kept = [g for g in groups if g is but]
                for group in groups:
                    group.open = group.open and group is but
                table[other] = kept


def _append(group: _Group, node: Node) -> None:
    """Join a matmul to the last one of its group, or put it behind."""
    merged = _merged(group.nodes[-1], node) if group.nodes else None
    if merged is None:
        group.nodes.append(node)
    else:
        group.nodes[-1] = merged


def _together(nodes: Sequence[Node]) -> Sequence[Node]:
    """One node of all factors, where some of them are no plain matrices."""
    if len(nodes) == 1 or all(node.is_gemm for node in nodes):
        return nodes
    views, read = dict(nodes[0].views), list(nodes[0].read)
    for i, node in enumerate(nodes[1:], 1):
        for name in ("left", "moving"):
            views[f"{name}{i}"] = node.views[name]
            read.append(f"{name}{i}")
    return [replace(nodes[0], views=views, read=tuple(read))]


def _merged(one: Node, two: Node) -> Node | None:
    if not (one.is_gemm and two.is_gemm):
        return None
    left = joined(one.views["left"], two.views["left"], 0)
    moving = joined(one.views["moving"], two.views["moving"], 0)
    if left is None or moving is None or not (is_blas(left) and is_blas(moving)):
        return None
    assert isinstance(one.instruction, isa.MatMul)
    return replace(one, views={"dst": one.views["dst"], "left": left, "moving": moving})
