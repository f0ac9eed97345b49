"""Make a result where a copy would put it, and drop the copy.

    psum = MatMul; sbuf = TensorTensor psum, bias; hbm = DmaCopy sbuf; Activation(sbuf)
  becomes
    psum = MatMul; hbm = TensorTensor psum, bias; Activation(hbm)

As a compiler coalesces registers. The makers of the bytes that a copy takes write them straight
into its result, and all who read them read them there. It applies where the bytes are on chip and
each maker and reader keeps inside the copy, where nothing else reaches the result from the first
maker to the copy, nor writes to it before the last reader is done, and where no call is slower for
it. A maker may read the result's old bytes where it works element by element, as on chip.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from neuronc.isa import instructions as isa
from neuronc.isa.operands import Memory
from neuronc.runtime.flow import Flow
from neuronc.runtime.forward import RUN_MIN, copied, takes
from neuronc.runtime.makers import Use
from neuronc.runtime.nodes import OPAQUE, Node, Places, retargeted
from neuronc.runtime.views import View, compose, innermost_run, is_blas

_IN_PLACE = (
    isa.TensorTensor,
    isa.TensorScalar,
    isa.ScalarTensorTensor,
    isa.Select,
    isa.Activation,
    isa.Elementwise,
)
"""Instructions whose result may lie on what they read."""


def coalesce(nodes: Sequence[Node], places: Places) -> list[Node]:
    """Have makers write to the results of copies; the copies are left out."""
    places.add(nodes)
    flow = _Coalescer(nodes, places)
    # From the last to the first, so that a copy of a copy goes before it.
    dropped = {at for at in reversed(range(len(nodes))) if flow.drop(at)}
    for at in flow.moved:
        # Until now they had the number of the whole result.
        flow.nodes[at] = retargeted(flow.nodes[at], {})
    return [node for at, node in enumerate(flow.nodes) if at not in dropped]


@dataclass(frozen=True)
class _Move:
    """What it takes to drop a copy: where operands go, and whose results they are."""

    makers: set[int]
    views: dict[Use, View]


class _Coalescer(Flow):
    """The flow of values, as copies are dropped."""

    def __init__(self, nodes: Sequence[Node], places: Places) -> None:
        super().__init__(nodes, places)
        self.moved: set[int] = set()
        """The positions of nodes with operands elsewhere."""

    def drop(self, at: int) -> bool:
        """Drop one node, if it is a copy whose makers can do without it."""
        node = self.nodes[at]
        pair = copied(node)
        if pair is None or pair[1].space >= Memory.HBM or node.writes["dst"] < 0:
            return False
        move = self._move(at, *pair)
        if move is None or not self._is_free(at, move):
            return False
        for use, view in move.views.items():
            self._put(use, view, node.writes["dst"])
        self.touches[node.writes["dst"]].remove((at, "dst", True))
        self._inherit((at, "dst"), self.makers[at]["src"])
        return True

    def _put(self, use: Use, view: View, place: int) -> None:
        """Have an operand elsewhere: somewhere in a place."""
        at, name = use
        self.moved.add(at)
        node = self.nodes[at] = replace(self.nodes[at], views={**self.nodes[at].views, name: view})
        for numbers, writes in ((node.reads, False), (node.writes, True)):
            if name in numbers:
                numbers[name] = place
                self.touches[place].append((at, name, writes))

    def _inherit(self, copy: Use, makers: Sequence[Use]) -> None:
        """Who reads what a copy made now reads it from the makers."""
        for user in self.users.pop(copy, ()):
            given = self.makers[user[0]][user[1]]
            self.makers[user[0]][user[1]] = [m for m in given if m != copy]
            self.makers[user[0]][user[1]] += [m for m in makers if m not in given]
            for maker in makers:
                self.users[maker].append(user)
        for maker in makers:
            self.users[maker].remove((copy[0], "src"))

    def _move(self, at: int, dst: View, src: View) -> _Move | None:
        """Where the makers of a copy's bytes, and all their readers, find them in its result."""
        direct = self.makers[at]["src"]
        if not self._covers(direct, src):
            return None
        todo, makers = list(direct), set(direct)
        views: dict[Use, View] = {}
        while todo:
            maker = todo.pop()
            found = self._there(maker, dst, src)
            if found is None or (maker in direct and self._overlaps(maker, direct)):
                return None
            views[maker] = found
            # What is added to is made in the same place.
            before = self.makers[maker[0]].get(maker[1], [])
            if maker[1] in self.nodes[maker[0]].read and not self._covers(before, found):
                return None
            todo += [m for m in before if m not in makers]
            makers.update(before)
        for user in {u for maker in makers for u in self.users.get(maker, ())}:
            if user[0] == at or user in makers:
                continue
            found = self._there(user, dst, src)
            is_alone = makers.issuperset(self.makers[user[0]][user[1]])
            if found is None or not is_alone or user[1] in self.nodes[user[0]].written:
                return None
            views[user] = found
        return _Move({maker for maker, _ in makers}, views)

    def _covers(self, makers: Sequence[Use], view: View) -> bool:
        """Whether makers whose results are apart make all of a view."""
        return sum(self.view(maker).size for maker in makers) == view.size

    def _there(self, use: Use, dst: View, src: View) -> View | None:
        """An operand in the result of a copy; None where it cannot, or should not, lie there."""
        node, old = self.nodes[use[0]], self.view(use)
        if isinstance(node.instruction, OPAQUE):
            return None
        view = compose(old, src, dst)
        if view is None:
            return None
        view = replace(view, phase=dst.phase)
        if use[1] not in node.written:
            return view if takes(node, use[1], view) else None
        if node.multiplies:
            return view if len(view.shape) == 2 and is_blas(view) else None
        return view if innermost_run(view) >= min(RUN_MIN, innermost_run(old)) else None

    def _overlaps(self, use: Use, others: Sequence[Use]) -> bool:
        """Whether a result shares bytes with another one of several."""
        places = {self.nodes[at].writes[name] for at, name in others if (at, name) != use}
        return self.meets(self.nodes[use[0]].writes[use[1]], places)

    def _is_free(self, at: int, move: _Move) -> bool:
        """Whether a copy's result may be written early, and stays until its last reader."""
        start, end = min(move.makers), max((at, *(user for user, _ in move.views)))
        place = self.nodes[at].writes["dst"]
        for other in (place, *self.places.overlaps[place]):
            for when, name, writes in self.touches[other]:
                if not start <= when <= end or when == at or (when > at and not writes):
                    continue
                if writes or not self._in_place((when, name), move):
                    return False
        return True

    def _in_place(self, use: Use, move: _Move) -> bool:
        """Whether a maker reads just the bytes that it writes, before anybody writes them."""
        at, name = use
        node = self.nodes[at]
        new = move.views.get((at, "dst"))
        return (
            at in move.makers
            and new is not None
            and node.written == ("dst",)
            and isinstance(node.instruction, _IN_PLACE)
            and replace(node.views[name], phase=0) == replace(new, phase=0)
        )
