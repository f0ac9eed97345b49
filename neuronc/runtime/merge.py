"""Gather the matmuls of one accumulation group: one node of all its pairs of operands.

    psum = a0.T @ b0; psum += a1.T @ b1; ...
  becomes
    psum = a0.T @ b0 + a1.T @ b1 + ...

A group ends where something else touches its result or changes an operand, so what runs does not
depend on who else runs. What BLAS multiplies in one call is decided later: in `stack` where
operands are plain matrices, in `windows` where they lie in several runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from neuronc.dtypes import BY_NAME
from neuronc.runtime.nodes import Node, Places
from neuronc.runtime.views import View


@dataclass(eq=False)
class _Group:
    """Matmuls into one place, in order, so far; `at` is where the last one stood."""

    dst: View
    nodes: list[Node]
    at: int
    open: bool = True
    operands: set[int] = field(default_factory=set[int])


def merge_accumulations(nodes: Sequence[Node], places: Places) -> list[Node]:
    """Merge along K; the group stands where the last of its parts stood."""
    places.add(nodes)
    merger = _Merger(places)
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
        if not _adds_up(node):
            self.at.setdefault(at, []).append(node)
            return
        if own is None:
            own = _Group(node.views["dst"], [], at)
            self.groups.append(own)
            self.writers.setdefault(node.writes["dst"], []).append(own)
        own.nodes.append(node)
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
                self.at.setdefault(group.at, []).append(_together(group.nodes))
            self.groups = []
        return self.at.get(at, [])

    def _own(self, node: Node) -> _Group | None:
        if not _adds_up(node) or "dst" not in node.reads:
            return None
        found = self.writers.get(node.writes["dst"], [])
        return next((g for g in found if g.open and g.dst == node.views["dst"]), None)

    def _end(self, place: int, table: dict[int, list[_Group]], but: _Group | None) -> None:
        if place < 0:
            return
        for other in [n for n in (place, *self.overlaps[place]) if n in table]:
            for group in table[other]:
                group.open = group.open and group is but
            table[other] = [g for g in table[other] if g is but]
            if not table[other]:
                del table[other]


def _adds_up(node: Node) -> bool:
    """Whether sums are kept in float32 from one matmul to the next."""
    return node.multiplies and node.views["dst"].dtype == BY_NAME["f32"].code


def _together(nodes: Sequence[Node]) -> Node:
    """One node of all factors."""
    views, read = dict(nodes[0].views), list(nodes[0].read)
    for i, node in enumerate(nodes[1:], 1):
        for name in ("left", "moving"):
            views[f"{name}{i}"] = node.views[name]
            read.append(f"{name}{i}")
    return Node(nodes[0].instruction, views, nodes[0].written, tuple(read))
