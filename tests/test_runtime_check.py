"""`--check`: what it must find in hand-made streams, and in real ones after damage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from neuronc.artifact.model import Artifact, Kernel, LibraryCall, LibraryOperand
from neuronc.dtypes import BY_NAME
from neuronc.errors import ExecutionError
from neuronc.hardware import TRN2
from neuronc.isa import instructions as isa
from neuronc.isa.operands import Memory, Operand
from neuronc.isa.records import Record, encode
from neuronc.isa.table import ENGINES, Engine, Instruction
from neuronc.numerics import FUNCTIONS
from neuronc.pipeline import compile_artifact
from neuronc.runtime.accesses import Room, accesses_of, rooms_of
from neuronc.runtime.check import Checked, check_kernel
from neuronc.runtime.clocks import clocks_of
from neuronc.runtime.order import legal_order
from neuronc.runtime.program import Program
from neuronc.runtime.races import find_race

F32 = BY_NAME["f32"].code
ADD = FUNCTIONS["add"].code
EXP = FUNCTIONS["exponential"].code
VECTOR, SCALAR, TENSOR, IN, OUT = (
    Engine.VECTOR,
    Engine.SCALAR,
    Engine.TENSOR,
    Engine.DMA_IN,
    Engine.DMA_OUT,
)
Row = tuple[Engine, Instruction, dict[Engine, int]]


def block(
    start: int = 0,
    pairs: tuple[tuple[int, int], ...] = ((1, 16),),
    offset: int = 0,
    partitions: tuple[int, int] = (0, 128),
    size: int = 64,
    memory: Memory = Memory.SBUF,
) -> Operand:
    """An operand in a tile of `size` bytes a partition at `start`."""
    steps, counts = zip(*pairs, strict=True)
    return Operand(memory, F32, offset, steps, counts, 0, *partitions, start, size)


def buffer(number: int, offset: int = 0, count: int = 16, step: int = 1) -> Operand:
    """A [128, count] window of an HBM buffer, rows of 64 bytes."""
    return Operand(Memory.HBM, F32, offset, (16, step), (128, count), number)


def load(dst: Operand) -> isa.DmaCopy:
    return isa.DmaCopy(dst, buffer(0), 0)


def exp(dst: Operand, src: Operand) -> isa.Activation:
    return isa.Activation(dst, src, None, None, EXP, 1.0)


def kernel(*rows: Row, library: tuple[LibraryCall, ...] = ()) -> Kernel:
    """A kernel of single records: (engine, instruction, waits)."""
    streams: dict[Engine, list[Record]] = {}
    for engine, instr, waits in rows:
        wanted = tuple(waits.get(e, 0) for e in ENGINES)
        streams.setdefault(engine, []).append(Record(instr, wanted, 0))
    encoded = {engine: encode(records, engine) for engine, records in streams.items()}
    return Kernel("k", 3, encoded, library)


APART = tuple(Room(i, 0, 1 << 16) for i in range(3))


def check(made: Kernel, rooms: tuple[Room, ...] = APART) -> None:
    order = legal_order(made.streams, made.name)
    check_kernel(Checked(made, order, (("model.py:7", "stablehlo.exponential"),), TRN2), rooms)


def fails(made: Kernel, rooms: tuple[Room, ...] = APART) -> str:
    with pytest.raises(ExecutionError) as caught:
        check(made, rooms)
    return str(caught.value)


def test_a_read_that_waits_for_its_write_is_fine() -> None:
    check(kernel((IN, load(block()), {}), (SCALAR, exp(block(64), block()), {IN: 1})))


def test_a_read_that_does_not_wait_names_both_records_and_their_lines() -> None:
    message = fails(kernel((IN, load(block()), {}), (SCALAR, exp(block(64), block()), {})))
    assert "no wait orders scalar[0] and dma_in[0], which reach the same bytes of SBUF" in message
    assert "scalar[0] model.py:7: Activation" in message
    assert "dma_in[0] model.py:7: DmaCopy" in message


def test_a_write_waits_for_reads_and_for_writes() -> None:
    read = (SCALAR, exp(block(64), block()), {IN: 1})
    assert "dma_in[1]" in fails(kernel((IN, load(block()), {}), read, (IN, load(block()), {})))
    check(kernel((IN, load(block()), {}), read, (IN, load(block()), {SCALAR: 1})))
    written = kernel((IN, load(block()), {}), (VECTOR, isa.Memset(block(), 0.0), {}))
    assert "no wait orders vector[0] and dma_in[0]" in fails(written)


def test_a_wait_for_an_earlier_record_is_not_enough() -> None:
    loads = [(IN, load(block()), {}), (IN, load(block(64)), {})]
    use = exp(block(128), block(64))
    assert "dma_in[1]" in fails(kernel(*loads, (SCALAR, use, {IN: 1})))
    check(kernel(*loads, (SCALAR, use, {IN: 2})))


def test_what_was_waited_for_brings_along_what_it_waited_for() -> None:
    chain = [
        (IN, load(block()), {}),
        (SCALAR, exp(block(64), block()), {IN: 1}),
        (VECTOR, isa.TensorTensor(block(128), block(64), block(), ADD), {SCALAR: 1}),
        (VECTOR, isa.Memset(block(), 0.0), {}),
    ]
    check(kernel(*chain))


@pytest.mark.parametrize(
    ("one", "other", "shares"),
    [
        (block(), block(), True),
        (block(pairs=((1, 8),)), block(pairs=((1, 8),), offset=32), False),
        (block(pairs=((1, 9),)), block(pairs=((1, 8),), offset=32), True),
        (block(pairs=((2, 8),)), block(pairs=((2, 8),), offset=4), False),
        (block(pairs=((2, 8),)), block(pairs=((3, 4),), offset=4), True),
        (block(pairs=((4, 4), (1, 2))), block(pairs=((4, 4), (1, 2)), offset=8), False),
        (block(pairs=((-1, 8),), offset=28), block(pairs=((1, 8),), offset=32), False),
        (block(pairs=((-1, 8),), offset=32), block(pairs=((1, 8),), offset=32), True),
        (block(partitions=(0, 64)), block(partitions=(64, 64)), False),
        (block(partitions=(0, 65)), block(partitions=(64, 64)), True),
        (block(), block(64), False),
        (block(), block(0, memory=Memory.PSUM), False),
        # Another tile at the same address: sharing an address is enough, whatever the bytes.
        (block(size=64), block(0, pairs=((1, 4),), size=32, partitions=(64, 1)), True),
    ],
)
def test_accesses_conflict_where_they_share_a_byte(
    one: Operand, other: Operand, shares: bool
) -> None:
    made = kernel((VECTOR, isa.Memset(one, 0.0), {}), (Engine.GPSIMD, isa.Memset(other, 0.0), {}))
    if shares:
        assert "no wait orders vector[0] and gpsimd[0]" in fails(made)
    else:
        check(made)


def test_buffers_conflict_where_they_are_the_same_bytes() -> None:
    made = kernel(
        (IN, load(block()), {}), (OUT, isa.DmaCopy(buffer(1), buffer(2, offset=64), 0), {})
    )
    check(made)
    tied = (Room(0, 0, 1 << 16), Room(0, 0, 1 << 16), Room(2, 0, 1 << 16))
    assert "no wait orders dma_in[0] and dma_out[0], which reach the same bytes of HBM" in fails(
        made, tied
    )
    # The second buffer starts where the first one's rows end.
    check(made, (Room(0, 0, 128 * 64), Room(0, 128 * 64, 1 << 13), Room(2, 0, 1 << 16)))


def test_strided_windows_of_a_buffer_may_interleave() -> None:
    left, right = buffer(1, 0, 8), buffer(1, 32, 8)
    made = kernel(
        (IN, isa.DmaCopy(left, buffer(0, 0, 8), 0), {}),
        (OUT, isa.DmaCopy(right, buffer(0, 0, 8), 0), {}),
    )
    check(made)
    wider = kernel(
        (IN, isa.DmaCopy(buffer(1, 0, 9), buffer(0, 0, 9), 0), {}),
        (OUT, isa.DmaCopy(right, buffer(0, 0, 8), 0), {}),
    )
    assert "bytes of HBM" in fails(wider)


def test_a_computed_address_may_be_anywhere_in_its_buffer() -> None:
    row = Operand(Memory.HBM, F32, 0, (16, 1), (1, 16), 1)
    index = replace(block(64, ((1, 1),), partitions=(0, 1)), dtype=BY_NAME["i32"].code)
    made = kernel(
        (VECTOR, isa.Memset(index, 0.0), {}),
        (OUT, isa.DmaScatter(row, replace(row, buffer=2), index, 1, 0), {VECTOR: 1}),
        (IN, isa.DmaCopy(block(), buffer(1, offset=1024), 0), {}),
    )
    assert "no wait orders dma_in[0] and dma_out[0]" in fails(made)


def test_a_library_call_reaches_its_whole_buffers() -> None:
    operand = LibraryOperand(1, (4,), "f32")
    call = LibraryCall("sort", "{}", (operand,), (replace(operand, argument=2),))
    run = (Engine.GPSIMD, isa.Library(0, 8, 8), {})
    made = kernel((IN, isa.DmaCopy(block(), buffer(1), 0), {}), run, library=(call,))
    assert "no wait orders gpsimd[0] and dma_in[0]" in fails(made)
    check(kernel((IN, isa.DmaCopy(block(), buffer(2), 0), {}), run, library=(call,)))


def test_an_access_that_leaves_its_tile_is_named() -> None:
    """What the next tile holds is then unordered with it, and in host memory it is elsewhere."""
    psum = block(memory=Memory.PSUM)
    fill = (VECTOR, isa.Memset(psum, 0.0), {})
    check(kernel(fill, (SCALAR, exp(block(), psum), {VECTOR: 1})))
    for step, offset in ((1, 32), (-1, 0)):
        over = replace(psum, steps=(step,), offset=offset)
        message = fails(kernel(fill, (SCALAR, exp(block(), over), {VECTOR: 1})))
        assert "scalar[0] reaches outside its tile" in message


def test_streams_that_wait_for_each_other_are_a_deadlock() -> None:
    made = kernel((VECTOR, isa.Memset(block(), 0.0), {IN: 1}), (IN, load(block(64)), {VECTOR: 1}))
    assert "deadlock: vector, dma_in wait for each other" in fails(made)


def test_a_read_before_any_write_names_the_record() -> None:
    made = kernel((IN, load(block(0, ((1, 15),))), {}), (SCALAR, exp(block(64), block()), {IN: 1}))
    message = fails(made)
    assert "scalar[0] reads bytes on chip that no record has written" in message
    assert "scalar[0] model.py:7: Activation" in message


def test_a_matmul_that_accumulates_reads_what_it_adds_to() -> None:
    psum = block(0, memory=Memory.PSUM, partitions=(0, 16))

    def made(accumulate: int) -> Kernel:
        multiply = isa.MatMul(psum, block(), block(), accumulate)
        return kernel((VECTOR, isa.Memset(block(), 0.0), {}), (TENSOR, multiply, {VECTOR: 1}))

    check(made(0))
    assert "tensor[0] reads bytes on chip that no record has written" in fails(made(1))


def test_a_block_is_gone_once_another_is_written_over_it() -> None:
    wide = block(0, ((1, 32),), size=128)
    made = kernel(
        (VECTOR, isa.Memset(block(), 0.0), {}),
        (VECTOR, isa.Memset(wide, 0.0), {}),
        (VECTOR, isa.Copy(block(128), block()), {}),
    )
    assert "vector[2] reads a block on chip after another was written over it" in fails(made)


def test_buffers_that_overlap_form_one_group() -> None:
    base = np.zeros(100, np.uint8)
    other = np.zeros(8, np.uint8)
    rooms = rooms_of([other, base[40:60], base[10:50], base[55:100], base[0:10]])
    assert rooms[0] == Room(0, 0, 8)
    assert rooms[1:4] == (Room(1, 30, 20), Room(1, 0, 40), Room(1, 45, 45))
    assert rooms[4].group == 4


def spec(*shape: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def linear(x: jax.Array, w: jax.Array, b: jax.Array) -> jax.Array:
    return jax.nn.gelu(x @ w + b)


def normalise(x: jax.Array) -> jax.Array:
    return jax.nn.softmax(x, -1) * x.sum(-1, keepdims=True)


def convolve(x: jax.Array, w: jax.Array) -> jax.Array:
    return lax.conv_general_dilated(x, w, (1, 1), "SAME")


def update(x: jax.Array, i: jax.Array, u: jax.Array) -> jax.Array:
    return x.at[i].add(u)


REAL = {
    "linear": (linear, spec(150, 200), spec(200, 600), spec(600)),
    "normalise": (normalise, spec(5, 60_000)),
    "convolve": (convolve, spec(2, 3, 20, 20), spec(8, 3, 3, 3)),
    "update": (update, spec(64, 48), jax.ShapeDtypeStruct((30,), jnp.int32), spec(30, 48)),
}


def compiled(name: str) -> Artifact:
    fn, *args = REAL[name]
    return compile_artifact(jax.jit(fn).lower(*args))


def waits_of(made: Kernel) -> Iterator[tuple[Engine, int, Engine]]:
    for engine, stream in made.streams.items():
        rows, others = np.nonzero(stream["waits"])
        yield from ((engine, int(i), ENGINES[o]) for i, o in zip(rows, others, strict=True))


def without(made: Kernel, engine: Engine, index: int, other: Engine, count: int) -> Kernel:
    """The kernel with one wait changed."""
    streams = {e: s.copy() for e, s in made.streams.items()}
    streams[engine]["waits"][index, other] = count
    return replace(made, streams=streams)


@pytest.mark.parametrize("name", REAL)
def test_every_wait_of_a_compiled_kernel_is_needed(name: str) -> None:
    """Removing one wait, or waiting for one record less, makes a race: none is there in vain."""
    chance = np.random.default_rng(0)
    for made in compiled(name).kernels:
        rooms = tuple(Room(i, 0, 1 << 20) for i in range(made.buffers))
        accesses = accesses_of(made, rooms)
        waits = list(waits_of(made))
        for pick in chance.permutation(len(waits))[:20]:
            engine, index, other = waits[pick]
            count = int(made.streams[engine]["waits"][index, other])
            for less in {0, count - 1}:
                damaged = without(made, engine, index, other, less).streams
                clocks = clocks_of(damaged, legal_order(damaged, name))
                assert find_race(accesses, clocks) is not None, (made.name, waits[pick], less)


def test_a_program_is_proved_when_it_binds() -> None:
    artifact = compiled("update")
    number, made = next((i, k) for i, k in enumerate(artifact.kernels) if list(waits_of(k)))
    kernels = list(artifact.kernels)
    kernels[number] = without(made, *next(waits_of(made)), 0)
    damaged = replace(artifact, kernels=tuple(kernels))
    x, i, u = np.zeros((64, 48), np.float32), np.zeros(30, np.int32), np.ones((30, 48), np.float32)
    Program(artifact, check=True)(x, i, u)
    with pytest.raises(ExecutionError, match="no wait orders"):
        Program(damaged, check=True)(x, i, u)


def test_a_load_that_is_dropped_shows_as_a_read_before_a_write() -> None:
    artifact = compiled("normalise")
    made = artifact.kernels[0]
    streams = {e: s.copy() for e, s in made.streams.items()}
    raw = streams[IN].view(np.uint8).reshape(len(streams[IN]), -1)
    # Make the first load write what the second one writes.
    raw[0, 64:] = raw[1, 64:]
    message = fails(
        replace(made, streams=streams), tuple(Room(i, 0, 1 << 30) for i in range(made.buffers))
    )
    assert "reads bytes on chip that no record has written" in message


def test_many_records_are_proved_at_once() -> None:
    """Two blocks take turns: load, exponentiate, copy, store; 80,000 records in half a second."""
    runs = 10_000
    rows: list[Row] = []
    for turn in range(2):
        here, there = block(64 * turn), block(128 + 64 * turn)
        rows += [
            (IN, load(here), {}),
            (SCALAR, exp(there, here), {}),
            (VECTOR, isa.Copy(there, there), {}),
            (OUT, isa.DmaCopy(buffer(1), there, 0), {}),
        ]
    made = kernel(*rows)
    streams = {engine: np.tile(stream, runs) for engine, stream in made.streams.items()}
    after = np.arange(1, 2 * runs + 1)
    streams[IN]["waits"][2:, SCALAR] = after[:-2]
    streams[SCALAR]["waits"][:, IN] = after
    streams[SCALAR]["waits"][2:, OUT] = after[:-2]
    streams[VECTOR]["waits"][:, SCALAR] = after
    streams[OUT]["waits"][:, VECTOR] = after
    check(replace(made, streams=streams))
    streams[OUT]["waits"][runs, VECTOR] -= 1
    assert f"no wait orders vector[{runs}]" in fails(replace(made, streams=streams))
