"""Split a kernel's nodes over workers: each gets a list in order, with the waits that it needs.

Dependences come from the bytes that nodes touch: read after write, write after read, write after
write, on chip and in HBM. Every worker's list keeps the legal order, so whatever the workers'
number and speed, each node sees the same values and the same bits come out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from neuronc.isa import instructions as isa
from neuronc.runtime.nodes import Node, Places, Spaces, number
from neuronc.runtime.views import is_whole

HANDOVER_SECONDS = 2e-5
"""What it costs a worker to wait for another, as seen on Linux."""
SMALL_SECONDS = 3e-4
"""A kernel shorter than this is not worth a second worker."""
SHARED_SECONDS = 1e-5
"""What a call takes longer while others call as well: they share one interpreter. As seen for two
workers: no gain from calls of 5 us, 1.3 times the speed with 30 us, 1.5 times with 50 us."""
GAIN_MIN = 1.15
"""How much faster more workers have to be, as they take more of the processors' time."""
_FLOPS_PER_SECOND = 1e11
_CALL_SECONDS = 2e-6
_ELEMENT_SECONDS = 3e-10


@dataclass(frozen=True)
class Item:
    """One node in a worker's list."""

    position: int
    """In the legal order of the nodes."""
    waits: tuple[tuple[int, int], ...]
    """(worker, how many of its items must be done)."""


def split(nodes: Sequence[Node], spaces: Spaces, workers: int) -> list[list[Item]]:
    """Give each node, in order, to the worker that can finish it first.

    Kernels that are short, whose calls are, or that write where values say, stay with one worker.
    """
    costs = [_seconds(node) for node in nodes]
    indirect = any(isinstance(n.instruction, isa.DmaScatter | isa.Library) for n in nodes)
    alone = [[Item(i, ()) for i in range(len(nodes))]]
    if workers == 1 or indirect or sum(costs) < SMALL_SECONDS:
        return alone
    before_each = dependences(nodes, number(nodes, spaces))
    free = [0.0] * workers
    finish: list[float] = []
    owner: list[int] = []
    count: list[int] = []
    lists: list[list[Item]] = [[] for _ in range(workers)]
    seen = [[0] * workers for _ in range(workers)]
    for position, before in enumerate(before_each):
        # A worker's nodes finish in order, so its last one that matters stands for all.
        last = [0] * workers
        arrived = [0.0] * workers
        for d in before:
            if count[d] > last[owner[d]]:
                last[owner[d]], arrived[owner[d]] = count[d], finish[d]
        starts = [max([free[w], *_arrivals(arrived, w)]) for w in range(workers)]
        worker = min(range(workers), key=starts.__getitem__)
        needed = [n if o != worker else 0 for o, n in enumerate(last)]
        waits = tuple((w, n) for w, n in enumerate(needed) if n > seen[worker][w])
        for w, n in waits:
            seen[worker][w] = n
        lists[worker].append(Item(position, waits))
        free[worker] = starts[worker] + costs[position] + SHARED_SECONDS
        finish.append(free[worker])
        owner.append(worker)
        count.append(len(lists[worker]))
    return lists if sum(costs) >= GAIN_MIN * max(free) else alone


def _arrivals(finished: list[float], worker: int) -> list[float]:
    """When a worker sees what each has finished; its own at once."""
    return [t if w == worker else t + HANDOVER_SECONDS for w, t in enumerate(finished) if t]


def _seconds(node: Node) -> float:
    """A rough time on the host, only to balance the workers."""
    if node.multiplies:
        k = sum(node.views[left].shape[0] for left, _ in node.factors)
        columns = node.views["dst"].size
        return _CALL_SECONDS + 2 * columns * k / _FLOPS_PER_SECOND
    size = max((view.size for view in node.views.values() if not is_whole(view)), default=0)
    weight = 5 if isinstance(node.instruction, isa.Activation | isa.Transpose) else 1
    return _CALL_SECONDS + size * _ELEMENT_SECONDS * weight


def dependences(nodes: Sequence[Node], places: Places) -> list[list[int]]:
    """For each node, the earlier ones it must follow; those implied by others may be there.

    Buffers that nobody writes have no place: what reads them depends on nothing.
    """
    writer = [-1] * places.count
    readers: list[list[int]] = [[] for _ in range(places.count)]
    out: list[list[int]] = []
    for position, node in enumerate(nodes):
        before: set[int] = set()
        writes = [place for place in node.writes.values() if place >= 0]
        reads = [place for place in node.reads.values() if place >= 0]
        for place in reads:
            before.update(writer[other] for other in (place, *places.overlaps[place]))
        for place in writes:
            for other in (place, *places.overlaps[place]):
                before.add(writer[other])
                before.update(readers[other])
        before.discard(-1)
        for place in reads:
            readers[place].append(position)
        for place in writes:
            writer[place], readers[place] = position, []
        out.append(sorted(before))
    return out
