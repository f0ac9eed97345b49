"""Keep what is on chip close together, so that it stays in the cache of the host's core.

The tiles of a kernel take turns over 26 MB, ten times what a core's cache holds, and each call
waits for memory. So every value is renamed to the lowest bytes of SBUF that are free while it
lives: from its first maker to its last reader. Makers whose bytes are read together form one value,
and its rows are made as narrow as what is used of them (`narrow`). What a call with computed
addresses reaches on chip stays where it is.

Bytes that are taken again at once order what is not ordered otherwise, and keep a second worker and
calls that would be one (`alike`) waiting: they rest for `REST` calls. That also unties what waits
for one of eight PSUM banks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from neuronc.isa.operands import Memory
from neuronc.runtime.flow import Flow
from neuronc.runtime.makers import Use
from neuronc.runtime.narrow import narrow
from neuronc.runtime.nodes import OPAQUE, Node, Places, retargeted
from neuronc.runtime.views import View, span_of

REST = 50
"""Calls between the last reader of some bytes and the next maker. A train step's two workers waited
less with 50 than with 20; one worker alone is as fast as with none, and slower with 200."""
_LINE_BYTES = 64
"""Places keep their offset in a cache line."""


@dataclass(eq=False)
class _Value:
    """Bytes on chip that move together, and when they are reached."""

    uses: list[Use] = field(default_factory=list[Use])
    views: list[View] = field(default_factory=list[View])
    """What each use reaches."""
    fixed: bool = False
    at: int = 0
    """Where it goes."""

    @cached_property
    def low(self) -> int:
        """Its first byte."""
        return min(span_of(view)[0][1] for view in self.views)

    @cached_property
    def high(self) -> int:
        """Its end."""
        return max(span_of(view)[0][2] for view in self.views)

    @property
    def first(self) -> int:
        """Position of its first maker."""
        return min(self.uses)[0]

    @property
    def last(self) -> int:
        """Position of its last reader, or maker."""
        return max(self.uses)[0]


def compact(nodes: Sequence[Node], places: Places, sbuf_bytes: int) -> list[Node]:
    """Rename what is on chip; as it is where that does not fit, or something is not made here."""
    places.add(nodes)
    values = _values(nodes, places)
    if values is None or not _placed(values, sbuf_bytes):
        return list(nodes)
    moved: list[dict[str, View]] = [{} for _ in nodes]
    for value in values:
        if value.fixed:
            continue
        by = value.at - value.low
        for (at, name), view in zip(value.uses, value.views, strict=True):
            offset, phase = view.offset + by, view.phase + by
            moved[at][name] = replace(view, space=Memory.SBUF, offset=offset, phase=phase)
    return [retargeted(node, views) for node, views in zip(nodes, moved, strict=True)]


def _values(nodes: Sequence[Node], places: Places) -> list[_Value] | None:
    """What is on chip, value by value; None if something is read that nobody has made."""
    flow = Flow(nodes, places)
    groups = _Groups()
    for at, node in enumerate(nodes):
        for name in dict.fromkeys((*node.written, *node.read)):
            if node.views[name].space >= Memory.HBM:
                continue
            makers = flow.makers[at].get(name, [])
            if name in node.read and not makers:
                return None
            groups.join((at, name), makers)
    values: dict[Use, _Value] = {}
    for use in groups.parent:
        _add(values.setdefault(groups.root(use), _Value()), use, nodes[use[0]])
    for value in values.values():
        if not value.fixed:
            value.views = narrow(value.views) or value.views
    return list(values.values())


class _Groups:
    """Operands that go together: each names another one of its group, the root itself."""

    def __init__(self) -> None:
        self.parent: dict[Use, Use] = {}

    def root(self, use: Use) -> Use:
        """The operand that names the group."""
        while self.parent[use] != use:
            self.parent[use] = use = self.parent[self.parent[use]]
        return use

    def join(self, use: Use, others: Sequence[Use]) -> None:
        """Put an operand and others, which are known, into one group."""
        self.parent.setdefault(use, use)
        for other in others:
            self.parent[self.root(other)] = self.root(use)


def _add(value: _Value, use: Use, node: Node) -> None:
    value.uses.append(use)
    value.views.append(node.views[use[1]])
    value.fixed |= isinstance(node.instruction, OPAQUE)


def _placed(values: Sequence[_Value], sbuf_bytes: int) -> bool:
    """Choose a place for each value, the first that lives first; False where one finds none."""
    live = [(v.low, v.high, 1 << 62) for v in values if v.fixed and v.views[0].space == Memory.SBUF]
    live.sort()
    for value in sorted((v for v in values if not v.fixed), key=lambda v: v.first):
        first, size = value.first, value.high - value.low
        live = [span for span in live if span[2] + REST >= first]
        at = value.low % _LINE_BYTES
        for low, high, _ in live:
            if at + size <= low:
                break
            if high > at:
                at = high + (value.low - high) % _LINE_BYTES
        if at + size > sbuf_bytes:
            return False
        value.at = at
        live.append((at, at + size, value.last))
        live.sort()
    return True
