"""Split a kernel's nodes into tasks that workers share: what may run as soon as what is done.

Dependences come from the bytes that nodes touch: read after write, write after read, write after
write, on chip and in HBM. Each task follows all that it depends on, so whatever the workers'
number and speed, each node sees the same values and the same bits come out. Which worker takes
which task is decided while they run: a list made before would keep one waiting whenever the other
is slower than it was thought to be.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush

from neuronc.isa import instructions as isa
from neuronc.runtime.nodes import Node, Places, Spaces, number
from neuronc.runtime.views import is_whole

SMALL_SECONDS = 3e-4
"""A kernel shorter than this is not worth a second worker."""
WORKERS = 2
"""By so many a kernel is judged, whatever their number: what is chosen so may decide about bits."""
GRAIN_SECONDS = 1e-5
"""Nodes are put together up to so much work: to take a task costs a worker some microseconds."""
SHARED_SECONDS = 1e-5
"""What a call takes longer while others call as well: they share one interpreter. As seen for two
workers: no gain from calls of 5 us, 1.3 times the speed with 30 us, 1.5 times with 50 us."""
_FLOPS_PER_SECOND = 6e10
"""Of a core: 34e9 were seen with AVX2, 140e9 with AVX-512."""
_CALL_SECONDS = 3e-6
_ELEMENT_SECONDS = 6e-10
_OPERAND_SECONDS = 4e-10
"""Of an element that a product reads: a vector's takes as long as memory does."""


@dataclass
class Task:
    """Some nodes that one worker runs in order, when all tasks before it are done."""

    positions: list[int]
    """Of its nodes, in the legal order."""
    before: list[int]
    """The tasks that it waits for, without those that they wait for."""
    seconds: float = 0.0
    """About what it takes."""


def tasks(nodes: Sequence[Node], spaces: Spaces) -> list[Task]:
    """Split nodes, which are in a legal order; each task comes after those that it waits for.

    Kernels that are short, or that write where values say, stay one task.
    """
    costs = [_seconds(node) for node in nodes]
    indirect = any(isinstance(n.instruction, isa.DmaScatter | isa.Library) for n in nodes)
    if indirect or sum(costs) < SMALL_SECONDS:
        return [Task(list(range(len(nodes))), [], sum(costs))]
    made = Clusters()
    for position, before in enumerate(dependences(nodes, number(nodes, spaces))):
        made.add(position, before, costs[position])
    return made.tasks


@dataclass
class Clusters:
    """The tasks so far."""

    tasks: list[Task] = field(default_factory=list[Task])
    owner: list[int] = field(default_factory=list[int])
    """The task of each position."""
    done: list[int] = field(default_factory=list[int])
    """For each task, the set of all that are done when it is, itself too, as bits."""

    def add(self, position: int, before: Iterable[int], seconds: float) -> None:
        """Put a node into a task that waits for all it waits for, or into one of its own."""
        needed = sorted({self.owner[earlier] for earlier in before}, reverse=True)
        task = self._fitting(needed, seconds)
        if task < 0:
            task = len(self.tasks)
            self._open(needed)
        self.tasks[task].positions.append(position)
        self.tasks[task].seconds += seconds
        self.owner.append(task)

    def _fitting(self, needed: Sequence[int], seconds: float) -> int:
        """A small task that may do a node as well: the last one it needs, or the newest."""
        for task in dict.fromkeys((*needed[:1], len(self.tasks) - 1)):
            is_small = task >= 0 and self.tasks[task].seconds + seconds <= GRAIN_SECONDS
            if is_small and all(self.done[task] >> other & 1 for other in needed):
                return task
        return -1

    def _open(self, needed: Sequence[int]) -> None:
        done, direct = 1 << len(self.tasks), list[int]()
        for task in needed:
            if not done >> task & 1:
                direct.append(task)
                done |= self.done[task]
        self.tasks.append(Task([], direct))
        self.done.append(done)


def makespan(tasks_: Sequence[Task], workers: int) -> float:
    """Seconds until all is done, if each worker always takes the first task that is ready."""
    missing = [len(task.before) for task in tasks_]
    followers = followers_of(tasks_)
    ready = [at for at, count in enumerate(missing) if not count]
    heapify(ready)
    running: list[tuple[float, int]] = []
    now = 0.0
    while ready or running:
        while ready and len(running) < workers:
            at = heappop(ready)
            calls = SHARED_SECONDS * len(tasks_[at].positions)
            heappush(running, (now + tasks_[at].seconds + calls, at))
        now, at = heappop(running)
        for follower in followers[at]:
            missing[follower] -= 1
            if not missing[follower]:
                heappush(ready, follower)
    return now


def followers_of(tasks_: Sequence[Task]) -> list[list[int]]:
    """For each task those that wait for it, in order."""
    followers: list[list[int]] = [[] for _ in tasks_]
    for at, task in enumerate(tasks_):
        for earlier in task.before:
            followers[earlier].append(at)
    return followers


def _seconds(node: Node) -> float:
    """A rough time on the host, only to balance the workers."""
    if node.multiplies:
        operands = sum(node.views[name].size for pair in node.factors for name in pair)
        flops = 2 * node.views["dst"].size * node.depth
        return _CALL_SECONDS + max(flops / _FLOPS_PER_SECOND, operands * _OPERAND_SECONDS)
    size = max((view.size for view in node.views.values() if not is_whole(view)), default=0)
    weight = 5 if isinstance(node.instruction, isa.Activation | isa.Transpose) else 1
    return _CALL_SECONDS + size * _ELEMENT_SECONDS * weight


def dependences(nodes: Sequence[Node], places: Places) -> list[list[int]]:
    """For each node, the earlier ones it must follow; those implied by others may be there.

    Buffers that nobody writes have no place: what reads them depends on nothing.
    """
    writer: dict[int, int] = {}
    readers: dict[int, list[int]] = {}
    out: list[list[int]] = []
    for position, node in enumerate(nodes):
        before: set[int] = set()
        writes = [place for place in node.writes.values() if place >= 0]
        reads = [place for place in node.reads.values() if place >= 0]
        for place in (*reads, *writes):
            near = (place, *places.overlaps[place])
            before.update([writer[other] for other in near if other in writer])
        for place in writes:
            near = (place, *places.overlaps[place])
            before.update(*[readers[other] for other in near if other in readers])
        for place in reads:
            readers.setdefault(place, []).append(position)
        for place in writes:
            # Who reaches what is written over reaches this place too, and has to follow this node.
            for other in (place, *places.inside[place]):
                writer.pop(other, None)
                readers.pop(other, None)
            writer[place] = position
        out.append(sorted(before))
    return out
