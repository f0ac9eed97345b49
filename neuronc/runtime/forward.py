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
from neuronc.runtime.makers import Makers
from neuronc.runtime.nodes import OPAQUE, Node, Places, Spaces, number, retargeted
from neuronc.runtime.views import (
    View,
    compose,
    innermost_run,
    is_blas,
    joined,
    matrix,
    reach,
    turned,
)

RUN_MIN = 32
SMALL_MAX = 4096
"""An operand of at most so many elements may be read in any order."""
_JOINED_MAX = 64
_ENTRIES_MAX = 16
"""Older copies that still hold a part of a place are forgotten: they are only not forwarded."""


@dataclass(frozen=True)
class _Entry:
    """What copies have put somewhere: dst = src, while it is current."""

    dst: View
    src: View
    guards: tuple[tuple[int, int], ...]
    """(place of the source, when it was read): nothing may write to it later."""
    members: tuple[tuple[int, int], ...]
    """(place, when it was written) of the copies it is made of: nothing else may since."""


def forward(nodes: Sequence[Node], spaces: Spaces) -> list[Node]:
    """Bind readers to the sources of copies; nodes whose results nobody reads are left out."""
    places = number(nodes, spaces)
    state = _State(places)
    out = [state.visit(node, time) for time, node in enumerate(nodes)]
    return without_dead(out, places)


class _State:
    """The copies whose results are still there, as the nodes are visited in order."""

    def __init__(self, places: Places) -> None:
        self.overlaps, self.inside = places.overlaps, places.inside
        self.last = [-1] * places.count
        """When something was last written that shares a byte with each place."""
        self.entries: list[list[_Entry]] = [[] for _ in range(places.count)]
        """What copies put into each place, or a part of it, or around it; the newest first."""
        self.recent: dict[tuple[int, int], _Entry] = {}

    def visit(self, node: Node, time: int) -> Node:
        """Retarget the reads of one node, then note its writes."""
        found: dict[str, View] = {}
        deep: tuple[View, _Entry] | None = None
        if not isinstance(node.instruction, OPAQUE):
            for name in node.read:
                source = self._source(node, name)
                if source and name == "src":
                    deep = source
                if source and takes(node, name, source[0]):
                    found[name] = source[0]
        pair = copied(node)
        made = self._made(node, pair, deep, time) if pair else []
        for place in node.writes.values():
            self._write(place, made, time)
        return retargeted(node, found) if found else node

    def _source(self, node: Node, name: str) -> tuple[View, _Entry] | None:
        """Where all of what an operand reads was copied from, if that is still as it was."""
        place = node.reads[name]
        if place < 0 or name in node.written:
            return None
        for entry in self.entries[place]:
            if self._is_current(entry) and not self._writes_to(node, entry):
                view = compose(node.views[name], entry.dst, entry.src)
                if view is not None:
                    return view, entry
        return None

    def _is_current(self, entry: _Entry) -> bool:
        return all(self.last[place] == time for place, time in entry.members) and all(
            self.last[guard] <= time for guard, time in entry.guards
        )

    def _writes_to(self, node: Node, entry: _Entry) -> bool:
        """Whether a node changes the source of an entry: it may not read there then."""
        return any(
            place == guard or place in self.overlaps[guard]
            for guard, _ in entry.guards
            for place in node.writes.values()
        )

    def _made(
        self,
        node: Node,
        pair: tuple[View, View],
        deep: tuple[View, _Entry] | None,
        time: int,
    ) -> list[_Entry]:
        """What a copy puts into its place: as a whole, in pieces, and with the copy before it."""
        place, read = node.writes["dst"], node.reads["src"]
        if place < 0:
            return []
        member = ((place, time),)
        if deep:
            through = copied(retargeted(node, {"src": deep[0]}))
            made = [_Entry(*through, deep[1].guards, member)] if through else []
        else:
            made = self._pieces(pair, read, member)
            made.append(_Entry(*pair, ((read, time),) if read >= 0 else (), member))
        made = [entry for entry in made if not self._writes_to(node, entry)]
        if made:
            key = (made[0].dst.space, made[0].dst.phase)
            before = self.recent.get(key)
            both = None
            if before and len(before.members) < _JOINED_MAX and self._is_current(before):
                both = _joined(before, made[0])
            self.recent[key] = both or made[0]
            made = [both, *made] if both else made
        return made

    def _pieces(
        self, pair: tuple[View, View], read: int, member: tuple[tuple[int, int], ...]
    ) -> list[_Entry]:
        """A copy of what several copies made, where their sources do not form one view."""
        if read < 0:
            return []
        dst, src = pair
        pieces: list[_Entry] = []
        for entry in self.entries[read]:
            if self._is_current(entry):
                place = compose(entry.dst, src, dst)
                if place is not None:
                    pieces.append(_Entry(place, entry.src, entry.guards, member))
        return pieces

    def _write(self, place: int, made: list[_Entry], time: int) -> None:
        if place < 0:
            return
        inside = self.inside[place]
        self.last[place], self.entries[place] = time, made
        for other in self.overlaps[place]:
            self.last[other] = time
            if other in inside or not made:
                self.entries[other] = made
            else:
                self.entries[other] = [*made, *self.entries[other]][:_ENTRIES_MAX]


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


def takes(node: Node, name: str, view: View) -> bool:
    """Whether a call is not slower for reading an operand there."""
    if node.multiplies and view.space == Memory.PSUM != node.views[name].space:
        # Only some of a matrix's tiles are still there, and the rest of it lies in SBUF.
        return False
    if node.multiplies and len(view.shape) == 2:
        return is_blas(view)
    if node.multiplies:
        long = name.startswith("left") and innermost_run(view) >= RUN_MIN
        return long or reach(view) <= reach(node.views[name])
    if isinstance(node.instruction, isa.Copy | isa.DmaCopy | isa.Transpose):
        return True
    return view.size <= SMALL_MAX or innermost_run(view) >= min(
        RUN_MIN, innermost_run(node.views[name])
    )


def without_dead(nodes: Sequence[Node], places: Places) -> list[Node]:
    """Leave out what is written on chip and not read before it is overwritten, or not at all."""
    places.add(nodes)
    needs = _needs(nodes, places)
    live = [any(v.space >= Memory.HBM for v in _targets(node)) for node in nodes]
    for at in range(len(nodes) - 1, -1, -1):
        if live[at]:
            for maker in needs[at]:
                live[maker] = True
    return [node for node, is_live in zip(nodes, live, strict=True) if is_live]


def _targets(node: Node) -> list[View]:
    return [node.views[name] for name in node.written]


def _needs(nodes: Sequence[Node], places: Places) -> list[set[int]]:
    """For each node, the earlier ones that made some of what it reads."""
    makers = Makers(places)
    needs: list[set[int]] = []
    for at, node in enumerate(nodes):
        reads = [place for place in node.reads.values() if place >= 0]
        needs.append({maker for place in reads for _, (maker, _) in makers.of(place)})
        for name, place in node.writes.items():
            if place >= 0:
                makers.write(place, (at, name))
    return needs
