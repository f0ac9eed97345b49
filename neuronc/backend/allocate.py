"""Give every block an address in SBUF or PSUM, from live ranges.

    %a = tile.alloc : sbuf 128 x 512 f32
  becomes
    %a = tile.alloc {start = 4096, bytes = 2048, buffers = 2}

A block lives from its first to its last use in the block of ops around its alloc; a use inside a
loop counts as the whole loop. Blocks allocated inside a loop get two buffers that take turns where
that fits, so that the next iteration's DMA overlaps this one's compute; else one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from xdsl.context import Context
from xdsl.dialects.builtin import IntAttr, ModuleOp, StringAttr
from xdsl.ir import Block, Operation
from xdsl.passes import ModulePass

from neuronc.backend.lifetime import ancestor
from neuronc.dialects.tile import AllocOp, ForOp, KernelOp, block_type
from neuronc.dtypes import BY_NAME
from neuronc.errors import CapacityError
from neuronc.hardware import DEFAULT_TARGET, GENERATIONS, Generation

SBUF_ALIGN_BYTES = 64
_ATTEMPTS = ((2, 2), (2, 1), (1, 1))
"""(SBUF, PSUM) buffers of a block inside a loop, best first."""


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
    taken: list[tuple[int, int, AllocOp]] = field(default_factory=list[tuple[int, int, AllocOp]])
    high: int = 0

    def place(self, op: AllocOp, size: int) -> int | None:
        """First fit."""
        start = 0
        for low, high, _ in sorted(self.taken, key=lambda t: t[0]):
            if low - start >= size:
                break
            start = max(start, high)
        if start + size > self.limit:
            return None
        self.taken.append((start, start + size, op))
        self.high = max(self.high, start + size)
        return start

    def free(self, op: AllocOp) -> None:
        """Give the block's bytes back."""
        self.taken = [t for t in self.taken if t[2] is not op]


class _DoesNotFitError(Exception):
    pass


def allocate(kernel: KernelOp, hw: Generation) -> None:
    """Place one kernel's blocks, with as much double buffering as fits.

    Raises:
        CapacityError: naming the largest blocks that are alive together.
    """
    for attempt in _ATTEMPTS:
        memories = {
            "sbuf": _Memory(hw.sbuf_bytes_per_partition, SBUF_ALIGN_BYTES),
            "psum": _Memory(hw.psum_bytes_per_partition, hw.psum_bank_bytes),
        }
        try:
            _place_block(kernel.body.block, memories, attempt, in_loop=False)
        except _DoesNotFitError as error:
            if attempt == _ATTEMPTS[-1]:
                raise _capacity_error(kernel, memories, str(error)) from None
            continue
        for name, memory in memories.items():
            kernel.attributes[f"{name}_bytes"] = IntAttr(memory.high)
        return


def _place_block(
    block: Block, memories: dict[str, _Memory], buffers: tuple[int, int], in_loop: bool
) -> None:
    ends = _last_uses(block)
    for op in block.ops:
        for alloc in ends.first.get(op, ()):
            _place(alloc, memories, buffers if in_loop else (1, 1))
        if isinstance(op, ForOp):
            _place_block(op.body.block, memories, buffers, in_loop=op.count > 1)
        for alloc in ends.last.get(op, ()):
            for memory in memories.values():
                memory.free(alloc)


@dataclass(frozen=True)
class _Ends:
    first: dict[Operation, list[AllocOp]]
    last: dict[Operation, list[AllocOp]]


def _last_uses(block: Block) -> _Ends:
    """For each op of the block, the allocs whose first and last use it (or its inside) is."""
    position = {op: i for i, op in enumerate(block.ops)}
    ops = list(block.ops)
    ends = _Ends({}, {})
    for alloc in ops:
        if not isinstance(alloc, AllocOp):
            continue
        at = [position[ancestor(use.operation, block)] for use in alloc.block.uses]
        if at:
            ends.first.setdefault(ops[min(at)], []).append(alloc)
            ends.last.setdefault(ops[max(at)], []).append(alloc)
    return ends


def _place(alloc: AllocOp, memories: dict[str, _Memory], buffers: tuple[int, int]) -> None:
    kind = block_type(alloc.block)
    assert kind is not None
    name = kind.memory.data
    count = buffers[0] if name == "sbuf" else buffers[1]
    memory = memories[name]
    size = kind.columns.data * BY_NAME[kind.element.data].bytes
    padded = -(-size // memory.align) * memory.align
    start = memory.place(alloc, padded * count)
    if start is None:
        raise _DoesNotFitError(name)
    alloc.attributes["start"] = IntAttr(start)
    alloc.attributes["bytes"] = IntAttr(padded)
    alloc.attributes["buffers"] = IntAttr(count)


def _capacity_error(kernel: KernelOp, memories: dict[str, _Memory], name: str) -> CapacityError:
    memory = memories[name]
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
