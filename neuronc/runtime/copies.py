"""Gather small copies that walk through memory at even steps into one copy.

    for c in 0..14, for y in 0..3: DmaCopy sbuf[9 c + 3 y : + 3], window(image, c, y)
  becomes
    DmaCopy sbuf[0:126] as [14, 3, ...], windows of the image as [14, 3, ...]

The windows of a convolution are tens of thousands of copies of a few elements: on the host a call
costs more than the bytes. Copies that follow each other directly are gathered where they have equal
shapes and steps, go from one memory to another, so that none reads what another writes, and no two
of them write the same byte. Large copies stay apart, for they are forwarded one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from neuronc.isa import instructions as isa
from neuronc.isa.operands import Memory
from neuronc.runtime.nodes import Node, Spaces
from neuronc.runtime.views import View, is_apart

SIZE_MAX = 4096
"""Elements of a copy that is not worth a call of its own; `alike` gathers larger ones later."""
COUNT_MIN = 16
"""Copies that are worth it: fewer are rather forwarded, one by one."""
RANK_MAX = 8
"""Dimensions of a copy at most."""
_Step = tuple[int, int]
"""Bytes from one copy to the next, of its result and of its source."""


@dataclass(frozen=True)
class _Stack:
    """A copy, and those that it stands for."""

    node: Node
    members: tuple[Node, ...]


def merge_copies(nodes: Sequence[Node], spaces: Spaces) -> list[Node]:
    """Gather level by level: the innermost loop of copies first, then loops of those."""
    out: list[Node] = []
    for small, group in groupby(nodes, key=lambda node: _is_small(node, spaces)):
        copies = list(group)
        out += stacked(copies, COUNT_MIN) if small else copies
    return out


def stacked(copies: Sequence[Node], count_min: int = 1, size_max: int = 1 << 31) -> Iterator[Node]:
    """Gather copies that follow each other, until nothing changes, up to so many elements a call.

    They are left as they are where fewer than `count_min` come together.
    """
    stacks, before = [_Stack(node, (node,)) for node in copies], 0
    while len(stacks) != before:
        before = len(stacks)
        stacks = _level(stacks, size_max)
    for stack in stacks:
        yield from (stack.node,) if len(stack.members) >= count_min else stack.members


def _level(stacks: Sequence[_Stack], size_max: int) -> list[_Stack]:
    """One level: each longest run of even steps becomes a copy with one dimension more."""
    out: list[_Stack] = []
    run = [stacks[0]]
    step: _Step | None = None
    for stack in stacks[1:]:
        to = _step(run[-1].node, stack.node)
        fits = (len(run) + 1) * stack.node.views["dst"].size <= size_max
        if fits and to is not None and step in (None, to):
            run.append(stack)
            step = to
            continue
        out += _stacked(run, step)
        run, step = [stack], None
    return out + _stacked(run, step)


def _is_small(node: Node, spaces: Spaces) -> bool:
    """Whether a node is a short copy between memories that share no byte."""
    instr = node.instruction
    if not isinstance(instr, isa.DmaCopy) or instr.accumulate:
        return False
    dst, src = node.views["dst"], node.views["src"]
    if dst.shape != src.shape or dst.dtype != src.dtype or dst.size > SIZE_MAX:
        return False
    return _memory(dst, spaces) != _memory(src, spaces)


def _memory(view: View, spaces: Spaces) -> int:
    hbm = view.space - Memory.HBM
    return Memory.HBM + spaces.groups[hbm] if hbm >= 0 else view.space


def _step(one: Node, two: Node) -> _Step | None:
    """The bytes between two copies that differ in nothing else."""
    for name in ("dst", "src"):
        a, b = one.views[name], two.views[name]
        if a.shape != b.shape or a.strides != b.strides:
            return None
        if (a.space, a.dtype) != (b.space, b.dtype):
            return None
    return (
        two.views["dst"].offset - one.views["dst"].offset,
        two.views["src"].offset - one.views["src"].offset,
    )


def _stacked(run: list[_Stack], step: _Step | None) -> list[_Stack]:
    """The copies of a run as one; as they are if their results overlap."""
    first = run[0].node
    dst, src = first.views["dst"], first.views["src"]
    if step is None or step[0] <= 0 or len(dst.shape) >= RANK_MAX:
        return run
    views = {"dst": _repeated(dst, len(run), step[0]), "src": _repeated(src, len(run), step[1])}
    if not is_apart(views["dst"]):
        return run
    members = tuple(node for stack in run for node in stack.members)
    return [_Stack(replace(first, views=views), members)]


def _repeated(view: View, times: int, step: int) -> View:
    """One dimension more, outside the others."""
    return replace(view, shape=(times, *view.shape), strides=(step, *view.strides))
