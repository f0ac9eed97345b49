"""Give every block an address in SBUF or PSUM, from live ranges.

    %a = tile.alloc : sbuf 128 x 512 f32
  becomes
    %a = tile.alloc {start = 4096, bytes = 2048, buffers = 2}

A block lives from its first to its last use in the block of ops around its alloc; a use inside a
loop counts as the whole loop. Blocks allocated inside a loop get several buffers that take turns,
and bytes that no other block of the loop uses, so that the next run's DMA overlaps this one's
compute. Where that does not fit, a table of policies says what to give up first.

Whatever the policy, what is free is taken in turn where that fits: a load into the place that was
freed last would wait for whoever used it, and so would all loads behind it in its queue.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from operator import itemgetter

from xdsl.context import Context
from xdsl.dialects.builtin import IntAttr, ModuleOp, StringAttr
from xdsl.ir import Block, Operation
from xdsl.passes import ModulePass

from neuronc.backend.lifetime import ancestor
from neuronc.dialects.machine import IssueOp
from neuronc.dialects.tile import (
    AllocOp,
    DmaOp,
    ForOp,
    GatherOp,
    KernelOp,
    ScatterOp,
    block_type,
    str_of,
)
from neuronc.dtypes import BY_NAME
from neuronc.errors import CapacityError
from neuronc.hardware import DEFAULT_TARGET, GENERATIONS, Generation
from neuronc.isa.table import DMA_QUEUES

SBUF_ALIGN_BYTES = 64
_GROWN_MAX = 12
"""In a kernel with more blocks in loops, single ones are not looked at."""
_GROWN = {"sbuf": (6, 1), "psum": (4, -1)}
"""The most turns of a block, and which go first: small ones in SBUF, large ones in PSUM."""


@dataclass(frozen=True)
class _Policy:
    """How generous to be: buffers of a block inside a loop, by what the block is for."""

    held: int
    """Blocks of several tiles or held as such, which are large and live long."""
    dma: int
    """Blocks that a DMA fills or empties."""
    work: int
    apart: bool
    """Blocks inside loops share no bytes with others, so that runs of a loop may overlap."""


_POLICIES = {
    "sbuf": (
        _Policy(2, 3, 2, apart=True),
        _Policy(2, 2, 2, apart=True),
        _Policy(1, 3, 2, apart=True),
        _Policy(1, 2, 2, apart=True),
        _Policy(2, 2, 2, apart=False),
        _Policy(1, 2, 2, apart=False),
        _Policy(1, 2, 1, apart=False),
        _Policy(1, 1, 1, apart=False),
    ),
    "psum": (
        _Policy(4, 4, 4, apart=True),
        _Policy(3, 3, 3, apart=True),
        _Policy(2, 2, 2, apart=True),
        _Policy(3, 3, 3, apart=False),
        _Policy(2, 2, 2, apart=False),
        _Policy(1, 1, 1, apart=False),
    ),
}
"""Per memory, best first."""


@dataclass(frozen=True)
class Allocate(ModulePass):
    """Place the blocks of every kernel."""

    name = "allocate"

    target: str = DEFAULT_TARGET

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Place each kernel by itself: kernels run one after the other."""
        for kernel in op.body.block.ops:
            if isinstance(kernel, KernelOp):
                allocate(kernel, GENERATIONS[self.target])


@dataclass
class _Memory:
    """One on-chip memory: what is taken now, and the high-water mark."""

    limit: int
    align: int
    rotates: bool = False
    """Whether a search goes on from the last block, so that what was freed last is taken last."""
    next: int = 0
    taken: list[tuple[int, int, AllocOp]] = field(default_factory=list[tuple[int, int, AllocOp]])
    """By address."""
    high: int = 0

    def place(self, op: AllocOp, size: int) -> int | None:
        """The first place from `next` on that is free, else from the start."""
        start = self._fit(self.next, size)
        if start is None and self.next:
            start = self._fit(0, size)
        if start is None:
            return None
        insort(self.taken, (start, start + size, op), key=itemgetter(0))
        self.high = max(self.high, start + size)
        if self.rotates:
            self.next = start + size
        return start

    def _fit(self, start: int, size: int) -> int | None:
        for low, high, _ in self.taken:
            if low - start >= size:
                break
            start = max(start, high)
        return start if start + size <= self.limit else None

    def empty(self) -> _Memory:
        """The same memory with nothing in it."""
        return _Memory(self.limit, self.align, self.rotates)

    def free(self, op: AllocOp) -> None:
        """Give the block's bytes back."""
        self.taken = [t for t in self.taken if t[2] is not op]


def allocate(kernel: KernelOp, hw: Generation) -> None:
    """Place one kernel's blocks, with as many buffers as fit.

    Raises:
        CapacityError: naming the largest blocks that are alive together.
    """
    _drop_unused(kernel)
    for placement in _placements(kernel, hw):
        body = kernel.body.block
        placement = _spread(_grown(placement, body, held=False), body)
        _grown(placement, body, held=True).write(kernel)


def check_fits(kernel: KernelOp, hw: Generation) -> None:
    """See that there is a place for every block, and leave the kernel as it is.

    Raises:
        CapacityError: naming the largest blocks that are alive together.
    """
    for _ in _placements(kernel, hw):
        pass


def _placements(kernel: KernelOp, hw: Generation) -> Iterator[_Placement]:
    """Each memory, by the first policy that fits."""
    ends = _ends(kernel.body.block)
    sizes = {
        "sbuf": (hw.sbuf_bytes_per_partition, SBUF_ALIGN_BYTES),
        "psum": (hw.psum_bytes_per_partition, hw.psum_bank_bytes),
    }
    for name, (limit, align) in sizes.items():
        memory = _Memory(limit, align)
        for policy in _POLICIES[name]:
            memory = _Memory(limit, align)
            placement = _Placement(name, memory, policy, ends)
            if placement.place(kernel.body.block, None):
                yield placement
                break
        else:
            raise _capacity_error(kernel, memory, name)


def _drop_unused(kernel: KernelOp) -> None:
    """Erase blocks that nothing uses any more."""
    for op in list(kernel.walk()):
        if isinstance(op, AllocOp) and not op.block.uses.get_length():
            op.detach()
            op.erase()


def _grown(placement: _Placement, body: Block, held: bool) -> _Placement:
    """Give single blocks more turns where that still fits: those that are held, or the others.

    A block that is held takes a turn for each run, or no more: a few more runs ahead only keep
    the DMA engines from what is needed sooner.
    """
    allocs = [a for ends in placement.ends.values() for b in ends.first.values() for a in b]
    spots = placement.spots
    mine = [a for a in allocs if a in spots and placement.may_grow(a, held)]
    most, by_size = _GROWN[placement.name]
    if not placement.policy.apart or len(mine) > _GROWN_MAX:
        return placement
    kept = placement
    for alloc in sorted(mine, key=lambda a: spots[a].bytes * by_size):
        runs = _runs(alloc)
        first = runs if held else spots[alloc].buffers + 1
        for count in range(first, min(most, runs) + 1):
            attempt = kept.with_buffers(alloc, count)
            if not attempt.place(body, None):
                break
            kept = attempt
    return kept


def _spread(placement: _Placement, body: Block) -> _Placement:
    """The same blocks, where what is free is taken in turn, if that fits."""
    memory = replace(placement.memory.empty(), rotates=True)
    attempt = replace(placement, memory=memory, spots={})
    return attempt if attempt.place(body, None) else placement


@dataclass(frozen=True)
class _Spot:
    """The place of a block: the first byte, and how many of its size take turns from there."""

    start: int
    bytes: int
    buffers: int


@dataclass(frozen=True)
class _Placement:
    """One attempt at one memory."""

    name: str
    memory: _Memory
    policy: _Policy
    ends: dict[Block, _Ends]
    buffers: dict[AllocOp, int] = field(default_factory=dict[AllocOp, int])
    """Of single blocks, instead of what the policy says."""
    spots: dict[AllocOp, _Spot] = field(default_factory=dict[AllocOp, _Spot])

    def may_grow(self, alloc: AllocOp, held: bool) -> bool:
        """Whether more turns of a block hide more latency: loads and stores, and banks."""
        if _is_held(alloc) != held or self.spots[alloc].buffers == 1:
            return False
        users = [use.operation for use in alloc.block.uses]
        return (self.name == "psum" and not held) or any(map(_is_dma, users))

    def with_buffers(self, alloc: AllocOp, count: int) -> _Placement:
        """Another attempt, with other turns of one block."""
        buffers = {**self.buffers, alloc: count}
        return replace(self, memory=self.memory.empty(), buffers=buffers, spots={})

    def write(self, kernel: KernelOp) -> None:
        """Say in the kernel where its blocks are."""
        for alloc, spot in self.spots.items():
            for name, value in asdict(spot).items():
                alloc.attributes[name] = IntAttr(value)
        kernel.attributes[f"{self.name}_bytes"] = IntAttr(self.memory.high)

    def place(self, block: Block, late: list[AllocOp] | None) -> bool:
        """Place the blocks of a body and of the loops in it; False where one does not fit.

        Inside a loop, `late` collects what is freed only after the outermost loop.
        """
        ends, in_loop = self.ends[block], late is not None
        for op in ends.ops:
            for alloc in ends.first.get(op, ()):
                if not self._place(alloc, in_loop):
                    return False
            if type(op) is ForOp:
                inside = list[AllocOp]() if late is None else late
                if not self.place(op.body.block, inside):
                    return False
                self._free(() if in_loop else inside)
            done = ends.last.get(op, ())
            if late is not None and self.policy.apart:
                late += done
            else:
                self._free(done)
        return True

    def _free(self, allocs: Iterable[AllocOp]) -> None:
        for alloc in allocs:
            self.memory.free(alloc)

    def _place(self, alloc: AllocOp, in_loop: bool) -> bool:
        kind = block_type(alloc.block)
        assert kind is not None
        if kind.memory.data != self.name:
            return True
        size = kind.columns.data * BY_NAME[kind.element.data].bytes
        padded = -(-size // self.memory.align) * self.memory.align
        count = min(self._buffers(alloc), _runs(alloc)) if in_loop else 1
        start = self.memory.place(alloc, padded * count)
        if start is None:
            return False
        self.spots[alloc] = _Spot(start, padded, count)
        return True

    def _buffers(self, alloc: AllocOp) -> int:
        if alloc in self.buffers:
            return self.buffers[alloc]
        if _is_held(alloc):
            return self.policy.held
        users = [use.operation for use in alloc.block.uses]
        return self.policy.dma if any(map(_is_dma, users)) else self.policy.work


def _runs(alloc: AllocOp) -> int:
    """How often the loops around a block run it: more turns would not be used."""
    runs, parent = 1, alloc.parent_op()
    while isinstance(parent, ForOp):
        runs, parent = runs * parent.count, parent.parent_op()
    return runs


def _is_held(alloc: AllocOp) -> bool:
    """Whether a block is large and lives for all of a loop's body: two turns are enough."""
    return "tiles" in alloc.attributes or "held" in alloc.attributes


def _is_dma(op: Operation) -> bool:
    if isinstance(op, IssueOp):
        return str_of(op, "engine") in _DMA_NAMES
    return isinstance(op, DmaOp | GatherOp | ScatterOp)


_DMA_NAMES = frozenset(queue.name for queue in DMA_QUEUES)


@dataclass(frozen=True)
class _Ends:
    first: dict[Operation, list[AllocOp]]
    last: dict[Operation, list[AllocOp]]
    ops: list[Operation]
    """The loops of the body, and what is first or last to use a block."""


def _ends(block: Block) -> dict[Block, _Ends]:
    """The ends of the blocks of every body."""
    found = {block: _ends_in(block)}
    for op in block.ops:
        if isinstance(op, ForOp):
            found |= _ends(op.body.block)
    return found


def _ends_in(block: Block) -> _Ends:
    """For each op of the block, the allocs whose first and last use it (or its inside) is."""
    ops = list(block.ops)
    position = {op: i for i, op in enumerate(ops)}
    ends = _Ends({}, {}, [])
    for alloc in ops:
        if not isinstance(alloc, AllocOp):
            continue
        at = [position[ancestor(use.operation, block)] for use in alloc.block.uses]
        if at:
            ends.first.setdefault(ops[min(at)], []).append(alloc)
            ends.last.setdefault(ops[max(at)], []).append(alloc)
    users = ends.first.keys() | ends.last.keys()
    ends.ops.extend(op for op in ops if op in users or type(op) is ForOp)
    return ends


def _capacity_error(kernel: KernelOp, memory: _Memory, name: str) -> CapacityError:
    live = sorted(memory.taken, key=lambda t: t[0] - t[1])[:3]
    blocks = ", ".join(f"{_describe(op)} ({high - low} bytes)" for low, high, op in live)
    symbol = kernel.attributes.get("sym_name")
    where = symbol.data if isinstance(symbol, StringAttr) else "kernel"
    problem = f"needs more {name.upper()} than the {memory.limit} bytes of a partition"
    hint = f"the largest live blocks are {blocks or 'too large themselves'}; use smaller shapes"
    return CapacityError(where, problem, hint, code="NRC-0302")


def _describe(op: AllocOp) -> str:
    kind = block_type(op.block)
    assert kind is not None
    return f"{kind.partitions.data}x{kind.columns.data}x{kind.element.data}"
