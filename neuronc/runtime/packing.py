"""Copies of operands in memory of the host, used as long as nobody writes to what they are of.

    left[K, 256] = [a0, a1]

Operands that are no matrix as they lie are copied to one, small floats converted to the float32
that holds them exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from neuronc.dtypes import BY_NAME
from neuronc.isa import instructions as isa
from neuronc.isa.operands import Memory, Operand
from neuronc.runtime.nodes import HOST, Node, Places
from neuronc.runtime.views import View, is_blas, joined

ROOM_BYTES = 1 << 25
"""Memory for copies of operands; the oldest give way."""
FLOAT = BY_NAME["f32"].code
_ALIGNMENT = 64
_NOWHERE = Operand(Memory.NONE, FLOAT, 0, (), ())
_COPY = isa.Copy(_NOWHERE, _NOWHERE)
Blocks = tuple[tuple[View, ...], ...]
"""A matrix in parts: for each part along K, one or several along its other dimension."""


@dataclass(frozen=True)
class _Pack:
    """A copy of an operand in `HOST`, and when it was made."""

    view: View
    time: int
    start: int
    stop: int


@dataclass
class _Room:
    """Memory of the host, given out in a ring."""

    at: int = 0
    end: int = 0

    def take(self, size: int) -> int:
        """Where so many bytes start; what was there before is lost."""
        if self.at + size > ROOM_BYTES:
            self.at = 0
        start = self.at
        self.at = -(-(start + size) // _ALIGNMENT) * _ALIGNMENT
        self.end = max(self.end, self.at)
        return start


@dataclass
class Packer:
    """The nodes so far, and the copies of operands that still hold."""

    places: Places
    out: list[Node] = field(default_factory=list[Node])
    room: _Room = field(default_factory=_Room)
    last: dict[int, int] = field(default_factory=dict[int, int])
    """When each place was last written."""
    packs: dict[Blocks, _Pack] = field(default_factory=dict[Blocks, _Pack])

    def emit(self, node: Node, *also: Node) -> None:
        """Append a node; it changes what it writes, and what `also` write."""
        self.out.append(node)
        for writer in (node, *also):
            for place in writer.writes.values():
                self.last[place] = len(self.out)

    def packed(self, blocks: Blocks, places: Mapping[View, int]) -> View | None:
        """A copy of an operand as one matrix of float32; None if there is no room for it."""
        sources = {places[view] for row in blocks for view in row} - {-1}
        pack = self.packs.get(blocks)
        if pack is None or any(self._changed(place, pack.time) for place in sources):
            pack = self._made(blocks)
        if pack is not None:
            self.packs[blocks] = pack
        return pack and pack.view

    def _changed(self, place: int, since: int) -> bool:
        """Whether something has been written that shares a byte with a place."""
        near = (place, *self.places.overlaps[place])
        return any(self.last.get(other, 0) > since for other in near)

    def _made(self, blocks: Blocks) -> _Pack | None:
        shape = sum(row[0].shape[0] for row in blocks), sum(view.shape[1] for view in blocks[0])
        size = 4 * shape[0] * shape[1]
        if size > ROOM_BYTES:
            return None
        start = self._take(size)
        strides = (4, 4 * shape[0]) if _is_turned(blocks[0][0]) else (4 * shape[1], 4)
        view = View(HOST, FLOAT, start, shape, strides, start)
        for src, dst in _pairs(_fewer(blocks), view):
            self.out.append(copy(dst, src))
        return _Pack(view, len(self.out), start, start + size)

    def result(self, rows: int, columns: int) -> View:
        """Room for a product that is copied to its places at once."""
        start = self._take(4 * rows * columns)
        return View(HOST, FLOAT, start, (rows, columns), (4 * columns, 4), start)

    def _take(self, size: int) -> int:
        start = self.room.take(size)
        stop = start + size
        kept = {b: p for b, p in self.packs.items() if p.stop <= start or stop <= p.start}
        self.packs = kept
        return start


def copy(dst: View, src: View) -> Node:
    """The node that copies.

    Only the class of its instruction counts: `HOST` is no memory of the chip.
    """
    return Node(_COPY, {"dst": dst, "src": src}, ("dst",), ("src",))


def all_joined(views: Sequence[View], axis: int) -> View | None:
    """All views as one, each following the one before along an axis."""
    whole: View | None = views[0]
    for view in views[1:]:
        whole = whole and joined(whole, view, axis)
    return whole


def _fewer(blocks: Blocks) -> Blocks:
    """The same in fewer blocks: joined along K and along the other dimension, where they follow."""
    columns = [all_joined(column, 0) for column in zip(*blocks, strict=True)]
    if None not in columns:
        blocks = (tuple(view for view in columns if view),)
    rows = [all_joined(row, 1) for row in blocks]
    return blocks if None in rows else tuple((view,) for view in rows if view)


def one_matrix(blocks: Blocks) -> View | None:
    """The blocks as the one matrix for BLAS that they are; None if they are not."""
    blocks = _fewer(blocks)
    view = all_joined([row[0] for row in blocks], 0) if len(blocks[0]) == 1 else None
    return view if view and view.dtype == FLOAT and is_blas(view) else None


def _pairs(blocks: Blocks, whole: View) -> Iterator[tuple[View, View]]:
    """Each block, and where it lies in the whole."""
    down = 0
    for row in blocks:
        across = 0
        for view in row:
            offset = whole.offset + down * whole.strides[0] + across * whole.strides[1]
            yield view, replace(whole, offset=offset, shape=view.shape)
            across += view.shape[1]
        down += row[0].shape[0]


def parts(node: Node) -> list[Node]:
    """The products of a node one by one, those together that follow one another along K."""
    out: list[Node] = []
    for left, moving in ((node.views[one], node.views[two]) for one, two in node.factors):
        before = out[-1].views if out else {"left": left, "moving": left}
        one, two = joined(before["left"], left, 0), joined(before["moving"], moving, 0)
        if out and one and two and is_blas(one) and is_blas(two):
            out[-1] = product(out[-1], node.views["dst"], one, two)
        else:
            out.append(product(node, node.views["dst"], left, moving, adds=bool(out)))
    return out


def product(node: Node, dst: View, left: View, moving: View, adds: bool = False) -> Node:
    """The node of one product in the place of another node's."""
    assert isinstance(node.instruction, isa.MatMul)
    instr = replace(node.instruction, accumulate=1) if adds else node.instruction
    read = ("dst", "left", "moving") if instr.accumulate else ("left", "moving")
    return Node(
        instr, {"dst": dst, "left": left, "moving": moving}, node.written, read, writes=node.writes
    )


def _is_turned(view: View) -> bool:
    """Whether columns are contiguous and rows are not."""
    return view.strides[0] == view.itemsize != view.strides[1]
