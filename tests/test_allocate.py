"""Addresses of blocks: alive together means apart, double buffers where they fit, clear errors."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import pytest
from xdsl.ir import Block, Operation, Region

from neuronc.backend.allocate import allocate
from neuronc.dialects.tile import AllocOp, KernelOp, block_type, int_of
from neuronc.dialects.types import tensor
from neuronc.dtypes import BY_NAME
from neuronc.errors import CapacityError
from neuronc.hardware import GENERATIONS, TRN2, Generation
from neuronc.passes.builder import Builder
from neuronc.passes.operand import Ref, hbm
from neuronc.pipeline import Options, ignore, lower

F32, BF16 = BY_NAME["f32"], BY_NAME["bf16"]
COLUMNS = 256


def kernel() -> tuple[KernelOp, Builder]:
    """An empty kernel of one buffer, and what writes it."""
    body = Block(arg_types=[tensor((128, COLUMNS), F32)])
    return KernelOp.create(regions=[Region(body)]), Builder(body)


def block(b: Builder, columns: int = COLUMNS, memory: str = "sbuf") -> Ref:
    return b.alloc(128, columns, F32, memory)


def copy(b: Builder, to: Ref, start: Ref) -> None:
    b.cast(to.all(), start.all())


def place(ref: Ref) -> tuple[int, int, int]:
    """Start, bytes and number of buffers."""
    alloc = ref.value.owner
    assert isinstance(alloc, AllocOp)
    return int_of(alloc, "start"), int_of(alloc, "bytes"), int_of(alloc, "buffers")


@pytest.mark.parametrize("room", [2, 3, 4])
def test_blocks_alive_together_are_apart_and_take_what_was_freed_first(room: int) -> None:
    """A load into the last place that was freed would wait for whoever used it."""
    made, b = kernel()
    first, second, third, fourth = (block(b) for _ in range(4))
    b.fill(first.all(), 0.0)
    copy(b, second, first)
    copy(b, third, second)
    copy(b, fourth, third)
    size = 4 * COLUMNS
    allocate(made, replace(TRN2, sbuf_bytes_per_partition=room * size))
    assert [place(r)[0] // size for r in (first, second, third, fourth)] == [
        0,
        1,
        2 % room,
        3 % room,
    ]
    assert int_of(made, "sbuf_bytes") == room * size
    assert int_of(made, "psum_bytes") == 0


def test_where_taking_turns_leaves_no_gap_of_a_size_the_first_place_is_taken() -> None:
    made, b = kernel()
    dead, kept, wide = block(b), block(b), block(b, 2 * COLUMNS)
    for ref in (dead, kept, wide):
        b.fill(ref.all(), 0.0)
    copy(b, kept, kept)
    size = 4 * COLUMNS
    allocate(made, replace(TRN2, sbuf_bytes_per_partition=3 * size))
    assert [place(r)[0] for r in (dead, kept, wide)] == [0, 0, size]


def test_sizes_are_whole_lines_in_sbuf_and_whole_banks_in_psum() -> None:
    made, b = kernel()
    small, bank = block(b, 3), block(b, 3, "psum")
    b.fill(small.all(), 0.0)
    b.fill(bank.all(), 0.0)
    allocate(made, TRN2)
    assert place(small) == (0, 64, 1)
    assert place(bank) == (0, TRN2.psum_bank_bytes, 1)


def test_a_block_inside_a_loop_takes_turns_and_one_outside_does_not() -> None:
    made, b = kernel()
    outside = block(b)
    b.fill(outside.all(), 0.0)
    with b.loop(5):
        inside = block(b)
        copy(b, inside, outside)
        loaded = block(b)
        b.dma(loaded.all(), inside.all())
        bank = block(b, memory="psum")
        copy(b, bank, loaded)
    after = block(b)
    copy(b, after, outside)
    allocate(made, TRN2)
    assert [place(r)[2] for r in (outside, inside, loaded, bank, after)] == [1, 5, 5, 4, 1]


@pytest.mark.parametrize(("count", "room", "turns"), [(2, 9, 2), (5, 9, 5), (9, 9, 2), (5, 3, 2)])
def test_a_block_that_is_held_takes_a_turn_for_every_run_or_two(
    count: int, room: int, turns: int
) -> None:
    """So all that a loop brings may be on its way before the loop begins."""
    made, b = kernel()
    with b.loop(count):
        held = b.alloc(128, COLUMNS, F32, held=True)
        b.dma(held.all(), hbm(made.body.block.args[0], 0, ((COLUMNS, 128), (1, COLUMNS))))
    allocate(made, replace(TRN2, sbuf_bytes_per_partition=room * 4 * COLUMNS))
    assert place(held)[2] == turns


def test_blocks_of_a_loop_share_no_bytes_where_there_is_room() -> None:
    def starts(room: int) -> tuple[int, int]:
        made, b = kernel()
        with b.loop(5):
            first = block(b)
            b.fill(first.all(), 0.0)
            second = block(b)
            b.fill(second.all(), 0.0)
        allocate(made, replace(TRN2, sbuf_bytes_per_partition=room))
        return place(first)[0], place(second)[0]

    size = 4 * COLUMNS
    assert starts(4 * size) == (0, 2 * size)
    assert starts(2 * size) == (0, 0)


def test_a_block_used_in_a_loop_lives_through_all_of_it() -> None:
    made, b = kernel()
    kept = block(b)
    b.fill(kept.all(), 0.0)
    with b.loop(5):
        copied = block(b)
        copy(b, copied, kept)
        later = block(b)
        b.fill(later.all(), 1.0)
    allocate(made, TRN2)
    start, size, _ = place(kept)
    for other in (copied, later):
        low, length, buffers = place(other)
        assert low >= start + size or low + length * buffers <= start


def test_double_buffers_go_first_when_room_is_short() -> None:
    size = 4 * COLUMNS

    def place_in(room: int) -> tuple[int, int]:
        made, b = kernel()
        with b.loop(5):
            wide, bank = block(b), block(b, COLUMNS, "psum")
            b.fill(wide.all(), 0.0)
            copy(b, bank, wide)
        allocate(made, replace(TRN2, sbuf_bytes_per_partition=room))
        return place(wide)[2], place(bank)[2]

    assert place_in(2 * size) == (2, 4)
    assert place_in(2 * size - 1) == (1, 4)
    with pytest.raises(CapacityError):
        place_in(size - 1)


def test_psum_gives_up_its_buffers_alone() -> None:
    made, b = kernel()
    with b.loop(5):
        wide = block(b)
        banks = block(b, TRN2.psum_bytes_per_partition // 4 // 2 + 1, "psum")
        b.fill(wide.all(), 0.0)
        b.fill(banks.all(), 0.0)
        b.map("add", wide.all(), wide.all(), banks.at(0, ((1, COLUMNS),)))
    allocate(made, TRN2)
    assert (place(wide)[2], place(banks)[2]) == (2, 1)


def test_what_does_not_fit_is_named_with_its_largest_blocks() -> None:
    made, b = kernel()
    small, large, last = block(b, 16), block(b, 40_000), block(b, 20_000)
    b.fill(small.all(), 0.0)
    b.fill(large.all(), 0.0)
    b.map("add", last.all(), large.at(0, ((1, 20_000),)), small.at(0, ((0, 20_000),)))
    with pytest.raises(CapacityError) as caught:
        allocate(made, TRN2)
    limit = f"needs more SBUF than the {TRN2.sbuf_bytes_per_partition} bytes of a partition"
    assert caught.value.problem == limit
    assert "128x40000xf32 (160000 bytes), 128x16xf32 (64 bytes)" in caught.value.hint


def spec(*shape: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def attend(q: jax.Array, k: jax.Array, v: jax.Array) -> jax.Array:
    weights = jax.nn.softmax(jnp.einsum("thd,shd->hts", q, k) * 0.125, -1)
    return jax.nn.gelu(jnp.einsum("hts,shd->thd", weights, v))


def lifetime(alloc: AllocOp, time: dict[Operation, int]) -> tuple[int, int]:
    """First and last op that touches the block; a loop beside the block counts as a whole."""
    inside: list[int] = []
    for use in alloc.block.uses:
        op = use.operation
        while op.parent is not alloc.parent:
            parent = op.parent_op()
            assert parent is not None
            op = parent
        inside += [time[inner] for inner in op.walk()]
    return min(inside), max(inside)


@pytest.mark.parametrize("hw", [TRN2, replace(TRN2, name="small", sbuf_bytes_per_partition=16384)])
def test_blocks_of_a_compiled_program_never_meet(
    hw: Generation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every pair of blocks of one memory is apart in time or in address."""
    monkeypatch.setitem(GENERATIONS, hw.name, hw)
    source = jax.jit(attend).lower(spec(300, 4, 64), spec(300, 4, 64), spec(300, 4, 64))
    module, _ = lower(source, "attend", Options(target=hw.name), ignore)
    kernels = [op for op in module.body.block.ops if isinstance(op, KernelOp)]
    assert kernels
    for made in kernels:
        time = {op: at for at, op in enumerate(made.walk())}
        allocs = [op for op in time if isinstance(op, AllocOp)]
        spans = [(*memory_span(a), *lifetime(a, time)) for a in allocs]
        for i, (memory, low, high, first, last) in enumerate(spans):
            for other, start, stop, begin, end in spans[:i]:
                apart = high <= start or stop <= low or last < begin or end < first
                assert memory != other or apart
        high = max((s[2] for s in spans if s[0] == "sbuf"), default=0)
        assert high == int_of(made, "sbuf_bytes") <= hw.sbuf_bytes_per_partition


def memory_span(alloc: AllocOp) -> tuple[str, int, int]:
    kind = block_type(alloc.block)
    assert kind is not None
    start, size = int_of(alloc, "start"), int_of(alloc, "bytes") * int_of(alloc, "buffers")
    return kind.memory.data, start, start + size
