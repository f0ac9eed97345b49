"""Multiply neighbouring row blocks in one call, from operands copied together where they are apart.

    psum[0:128] = sum of a0[k].T @ b[k]; psum[128:256] = sum of a1[k].T @ b[k]
  becomes
    left[K, 256] = [a0, a1]; moving[K, N] = b; psum[0:256] = left.T @ moving

A tensor engine multiplies 128 x 128 x 512 at a time; BLAS is a fifth faster on twice the rows and
all of K. Large products take turns with everything else, all that depend on what is done, so that
those of neighbouring PSUM banks, which are one matrix in the host's memory, come together. At most
`ROWS_MAX` rows are one call: two workers share what a kernel's banks hold. Whatever their number
and speed, the calls are the same.

Operands that are no matrix as they lie are copied to one, small floats converted to the float32
that holds them exactly, and the copy is used as long as nobody writes to what it was made of.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush

from neuronc.dtypes import BY_NAME
from neuronc.isa import instructions as isa
from neuronc.isa.operands import Memory, Operand
from neuronc.runtime.nodes import HOST, Node, Places, Spaces, number
from neuronc.runtime.schedule import dependences
from neuronc.runtime.views import View, is_blas, joined

ROWS_MAX = 256
STACK_MIN = 1 << 23
"""Multiply-adds of a product that is worth waiting for others, and copies of its operands."""
ROOM_BYTES = 1 << 25
"""Memory for copies of operands; the oldest give way."""
_ALIGNMENT = 64
_FLOAT = BY_NAME["f32"].code
_NOWHERE = Operand(Memory.NONE, _FLOAT, 0, (), ())
_COPY = isa.Copy(_NOWHERE, _NOWHERE)
_Blocks = tuple[tuple[View, ...], ...]
"""A matrix in parts: for each part along K, one or several along its other dimension."""


def stack(nodes: Sequence[Node], spaces: Spaces) -> tuple[list[Node], int]:
    """The nodes in turns, products stacked; and the bytes of `HOST` that they use."""
    places = number(nodes, spaces)
    packer = _Packer(places)
    for others, products in _turns(nodes, dependences(nodes, places)):
        for node in others:
            if _is_plain(node):
                packer.multiply([node])
            else:
                packer.emit(node)
        for group in _groups(products):
            packer.multiply(group)
    return packer.out, packer.room.end


def _is_plain(node: Node) -> bool:
    """Whether a node is a product of plain matrices into float32."""
    return node.is_plain and node.views["dst"].dtype == _FLOAT


def _is_large(node: Node) -> bool:
    """Whether a product takes turns: small ones run where they are, while operands are in cache."""
    return _is_plain(node) and _depth(node) * node.views["dst"].size >= STACK_MIN


def _depth(node: Node) -> int:
    """K of a product."""
    return sum(node.views[name].shape[0] for name, _ in node.factors)


def _turns(
    nodes: Sequence[Node], before: Sequence[Sequence[int]]
) -> Iterator[tuple[list[Node], list[Node]]]:
    """All else that may run, in order, then all products that may: (others, products)."""
    ready = _Ready([_is_large(node) for node in nodes], before)
    while ready.others or ready.products:
        others = [ready.finish(position) for position in ready.next_others()]
        products = ready.take_products()
        for position in products:
            ready.finish(position)
        yield [nodes[position] for position in others], [nodes[position] for position in products]


class _Ready:
    """The positions that wait for nothing but their turn."""

    def __init__(self, stacks: Sequence[bool], before: Sequence[Sequence[int]]) -> None:
        self.stacks = stacks
        self.missing = [len(earlier) for earlier in before]
        self.followers: list[list[int]] = [[] for _ in before]
        for position, earlier in enumerate(before):
            for other in earlier:
                self.followers[other].append(position)
        self.others: list[int] = []
        self.products: list[int] = []
        self._release(position for position, count in enumerate(self.missing) if not count)

    def next_others(self) -> Iterator[int]:
        """The others in order, and those that become ready meanwhile."""
        while self.others:
            yield heappop(self.others)

    def take_products(self) -> list[int]:
        """The products in order."""
        taken, self.products = sorted(self.products), []
        return taken

    def finish(self, position: int) -> int:
        """Let those go that waited for this one alone."""
        for other in self.followers[position]:
            self.missing[other] -= 1
        self._release(other for other in self.followers[position] if not self.missing[other])
        return position

    def _release(self, positions: Iterable[int]) -> None:
        for position in positions:
            if self.stacks[position]:
                self.products.append(position)
            else:
                heappush(self.others, position)


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
class _Packer:
    """The nodes so far, and the copies of operands that still hold."""

    places: Places
    out: list[Node] = field(default_factory=list[Node])
    room: _Room = field(default_factory=_Room)
    last: dict[int, int] = field(default_factory=dict[int, int])
    """When something was last written that shares a byte with each place."""
    packs: dict[_Blocks, _Pack] = field(default_factory=dict[_Blocks, _Pack])

    def emit(self, node: Node, *also: Node) -> None:
        """Append a node; it changes what it writes, and what `also` write."""
        self.out.append(node)
        for writer in (node, *also):
            for place in writer.writes.values():
                if place >= 0:
                    self.last[place] = len(self.out)
                    self.last.update(dict.fromkeys(self.places.overlaps[place], len(self.out)))

    def multiply(self, group: Sequence[Node]) -> None:
        """Emit the product of a group as one call, or as many as its operands make it."""
        first, dst = group[0], _rows(group)
        assert dst is not None
        left = tuple(tuple(node.views[name] for node in group) for name, _ in first.factors)
        moving = tuple((first.views[name],) for _, name in first.factors)
        one, two = _matrix(left), _matrix(moving)
        if _is_large(first) or _is_small(left[0][0]) or _is_small(moving[0][0]):
            made = {node.views[name]: place for node in group for name, place in node.reads.items()}
            one, two = one or self._packed(left, made), two or self._packed(moving, made)
            if one is not None and one.space == HOST and left not in self.packs:
                # The second copy took the room of the first, which had been there for long.
                one = self._packed(left, made)
                two = two if (two and two.space != HOST) or moving in self.packs else None
        if one is None or two is None:
            for part in (part for node in group for part in _parts(node)):
                self.emit(part)
            return
        self.emit(_product(first, dst, one, two), *group[1:])

    def _packed(self, blocks: _Blocks, places: Mapping[View, int]) -> View | None:
        """A copy of an operand as one matrix of float32; None if there is no room for it."""
        sources = {places[view] for row in blocks for view in row} - {-1}
        pack = self.packs.get(blocks)
        if pack is None or any(self.last.get(place, 0) > pack.time for place in sources):
            pack = self._made(blocks)
        if pack is not None:
            self.packs[blocks] = pack
        return pack and pack.view

    def _made(self, blocks: _Blocks) -> _Pack | None:
        shape = sum(row[0].shape[0] for row in blocks), sum(view.shape[1] for view in blocks[0])
        size = 4 * shape[0] * shape[1]
        if size > ROOM_BYTES:
            return None
        start = self.room.take(size)
        stop = start + size
        kept = {b: p for b, p in self.packs.items() if p.stop <= start or stop <= p.start}
        self.packs = kept
        strides = (4, 4 * shape[0]) if _is_turned(blocks[0][0]) else (4 * shape[1], 4)
        view = View(HOST, _FLOAT, start, shape, strides, start)
        for src, dst in _pairs(_fewer(blocks), view):
            # Only the class of the instruction counts: `HOST` is no memory of the chip.
            self.out.append(Node(_COPY, {"dst": dst, "src": src}, ("dst",), ("src",)))
        return _Pack(view, len(self.out), start, stop)


def _rows(group: Sequence[Node]) -> View | None:
    """The results of a group as one matrix."""
    return _joined([node.views["dst"] for node in group], 0)


def _joined(views: Sequence[View], axis: int) -> View | None:
    """All views as one, each following the one before along an axis."""
    whole: View | None = views[0]
    for view in views[1:]:
        whole = whole and joined(whole, view, axis)
    return whole


def _fewer(blocks: _Blocks) -> _Blocks:
    """The same in fewer blocks: joined along K, or else along the other dimension."""
    columns = [_joined(column, 0) for column in zip(*blocks, strict=True)]
    if None not in columns:
        return (tuple(view for view in columns if view),)
    rows = [_joined(row, 1) for row in blocks]
    return blocks if None in rows else tuple((view,) for view in rows if view)


def _matrix(blocks: _Blocks) -> View | None:
    """The blocks as the one matrix for BLAS that they are; None if they are not."""
    blocks = _fewer(_fewer(blocks))
    view = blocks[0][0]
    whole = len(blocks) == len(blocks[0]) == 1 and view.dtype == _FLOAT and is_blas(view)
    return view if whole else None


def _pairs(blocks: _Blocks, whole: View) -> Iterator[tuple[View, View]]:
    """Each block, and where it lies in the whole."""
    down = 0
    for row in blocks:
        across = 0
        for view in row:
            offset = whole.offset + down * whole.strides[0] + across * whole.strides[1]
            yield view, replace(whole, offset=offset, shape=view.shape)
            across += view.shape[1]
        down += row[0].shape[0]


def _parts(node: Node) -> list[Node]:
    """The products of a node one by one, those together that follow one another along K."""
    out: list[Node] = []
    for left, moving in ((node.views[one], node.views[two]) for one, two in node.factors):
        before = out[-1].views if out else {"left": left, "moving": left}
        one, two = joined(before["left"], left, 0), joined(before["moving"], moving, 0)
        if out and one and two and is_blas(one) and is_blas(two):
            out[-1] = _product(out[-1], node.views["dst"], one, two)
        else:
            out.append(_product(node, node.views["dst"], left, moving, adds=bool(out)))
    return out


def _product(node: Node, dst: View, left: View, moving: View, adds: bool = False) -> Node:
    """A node of one product."""
    assert isinstance(node.instruction, isa.MatMul)
    instr = replace(node.instruction, accumulate=1) if adds else node.instruction
    read = ("dst", "left", "moving") if instr.accumulate else ("left", "moving")
    return Node(
        instr, {"dst": dst, "left": left, "moving": moving}, node.written, read, writes=node.writes
    )


def _is_small(view: View) -> bool:
    """Whether a float is to be converted to float32."""
    return view.dtype != _FLOAT


def _is_turned(view: View) -> bool:
    """Whether columns are contiguous and rows are not."""
    return view.strides[0] == view.itemsize != view.strides[1]
