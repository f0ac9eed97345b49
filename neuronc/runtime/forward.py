"""Read from where a copy took its bytes, and drop the copies that nobody reads any more.

    sbuf = DmaCopy hbm; psum = Transpose sbuf; sbuf2 = Copy psum; MatMul(left, sbuf2)
  becomes
    MatMul(left, transposed view of hbm)

As an out-of-order processor renames registers. A reader of a copy's bytes is bound to the copy's
source where nothing has written to either in between, the reader's steps through the copy are steps
through the source, and the call is not slower for it: a matmul takes rows or columns that are
contiguous, anything else runs of at least RUN_MIN elements.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from neuronc.isa import instructions as isa
from neuronc.isa.operands import Memory
from neuronc.runtime.nodes import OPAQUE, Node, Places, Spaces, number, retargeted
from neuronc.runtime.views import View, compose, innermost_run, is_blas, joined, matrix, turned

RUN_MIN = 32
SMALL_MAX = 4096
"""An operand of at most so many elements may be read in any order."""
_JOINED_MAX = 64


@dataclass(frozen=True)
class _Entry:
    """What copies have put somewhere: dst = src, while `guards` hold."""

    dst: View
    src: View
    guards: tuple[tuple[int, int], ...]
    """(place of the source, when it was read): nothing may write to it later."""
    members: tuple[tuple[int, int], ...]
    """(place, when it was written) of the copies it is made of."""


def forward(nodes: Sequence[Node], spaces: Spaces) -> list[Node]:
    """Bind readers to the sources of copies; nodes whose results nobody reads are left out."""
    places = number(nodes, spaces)
    state = _State(places)
    out = [state.visit(node, time) for time, node in enumerate(nodes)]
    return without_dead(out, spaces)


class _State:
    def __init__(self, places: Places) -> None:
        self.overlaps = places.overlaps
        self.last = [-1] * places.count
        """When something was last written that shares a byte with each place."""
        self.entry: list[_Entry | None] = [None] * places.count
        self.recent: dict[tuple[int, int], _Entry] = {}

    def visit(self, node: Node, time: int) -> Node:
        """Retarget the reads of one node, then note its writes."""
        found: dict[str, View] = {}
        deep: _Entry | None = None
        if not isinstance(node.instruction, OPAQUE):
            for name in node.read:
                entry = self._source(node, name)
                if entry is None:
                    continue
                view = compose(node.views[name], entry.dst, entry.src)
                if view is None:
                    continue
                if name == "src":
                    deep = _Entry(entry.dst, view, entry.guards, ())
                if _takes(node, name, view):
                    found[name] = view
        pair = copied(node)
        made = self._copied(node, pair, deep, time) if pair else None
        for place in node.writes.values():
            self._write(place, made, time)
        return retargeted(node, found) if found else node

    def _source(self, node: Node, name: str) -> _Entry | None:
        """The entry that made all of what an operand reads, if its source is as it was."""
        place = node.reads[name]
        if place < 0 or name in node.written:
            return None
        entry = self.entry[place]
        if entry is None:
            return None
        for guard, time in entry.guards:
            if self.last[guard] > time:
                return None
            for place in node.writes.values():
                if place == guard or place in self.overlaps[guard]:
                    return None
        return entry

    def _copied(
        self, node: Node, pair: tuple[View, View], deep: _Entry | None, time: int
    ) -> _Entry | None:
        """The entry that a copy makes, joined to the one before it where they fit together."""
        dst, src = pair
        place = node.writes["dst"]
        if place < 0:
            return None
        read = node.reads["src"]
        guards = ((read, time),) if read >= 0 else ()
        through = copied(retargeted(node, {"src": deep.src})) if deep else None
        if deep and through:
            src, guards = through[1], deep.guards
        if any(place == guard or place in self.overlaps[guard] for guard, _ in guards):
            return None
        entry = _Entry(dst, src, guards, ((place, time),))
        key = (dst.space, dst.phase)
        before = self.recent.get(key)
        if before is not None and len(before.members) < _JOINED_MAX and self._holds(before):
            entry = _joined(before, entry) or entry
        self.recent[key] = entry
        return entry

    def _holds(self, entry: _Entry) -> bool:
        """Whether nothing has touched a joined entry, or its sources, since it was made."""
        return all(self.last[place] == time for place, time in entry.members) and all(
            self.last[guard] <= time for guard, time in entry.guards
        )

    def _write(self, place: int, entry: _Entry | None, time: int) -> None:
        if place < 0:
            return
        self.last[place], self.entry[place] = time, entry
        for other in self.overlaps[place]:
            self.last[other], self.entry[other] = time, entry


def _joined(one: _Entry, two: _Entry) -> _Entry | None:
    if len(one.dst.shape) != len(two.dst.shape):
        return None
    for axis in range(len(one.dst.shape)):
        dst, src = joined(one.dst, two.dst, axis), joined(one.src, two.src, axis)
        if dst is not None and src is not None and dst.strides[axis] > 0:
            guards = tuple(dict.fromkeys((*one.guards, *two.guards)))
            return _Entry(dst, src, guards, (*one.members, *two.members))
    return None


def copied(node: Node) -> tuple[View, View] | None:
    """(dst, src) of a node that moves bytes and does nothing else: equal shapes and types."""
    instr = node.instruction
    if not isinstance(instr, isa.Copy | isa.DmaCopy | isa.Transpose):
        return None
    if isinstance(instr, isa.DmaCopy) and instr.accumulate:
        return None
    dst, src = node.views["dst"], node.views["src"]
    if isinstance(instr, isa.Transpose):
        flat, given = matrix(dst), matrix(src)
        if flat is None or given is None:
            return None
        dst, src = flat, turned(given)
    if dst.dtype != src.dtype or dst.shape != src.shape:
        return None
    return dst, src


def _takes(node: Node, name: str, view: View) -> bool:
    """Whether a call is not slower for reading an operand there."""
    if node.is_gemm:
        return is_blas(view)
    if isinstance(node.instruction, isa.Copy | isa.DmaCopy | isa.Transpose):
        return True
    return view.size <= SMALL_MAX or innermost_run(view) >= min(
        RUN_MIN, innermost_run(node.views[name])
    )


def without_dead(nodes: Sequence[Node], spaces: Spaces) -> list[Node]:
    """Leave out what is written on chip and not read before it is overwritten, or not at all."""
    places = number(nodes, spaces)
    live = [False] * places.count
    kept: list[Node] = []
    for node in reversed(nodes):
        if not any(_is_live(node.views[n], p, live, places) for n, p in node.writes.items()):
            continue
        kept.append(node)
        for name, place in node.writes.items():
            if name not in node.read and place >= 0:
                _kill(place, live, places)
        for place in node.reads.values():
            if place >= 0:
                live[place] = True
    return kept[::-1]


def _is_live(view: View, place: int, live: list[bool], places: Places) -> bool:
    if view.space >= Memory.HBM or live[place]:
        return True
    return any(live[other] for other in places.overlaps[place])


def _kill(place: int, live: list[bool], places: Places) -> None:
    """All bytes of a place are overwritten: what lies inside it is not read from before."""
    live[place] = False
    bounds = places.dense[place]
    if bounds is None:
        return
    for other in places.overlaps[place]:
        inside = places.dense[other]
        if inside and bounds[0] <= inside[0] and inside[1] <= bounds[1]:
            live[other] = False
