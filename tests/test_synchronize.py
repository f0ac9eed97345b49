"""Waits: enough of them, and none in vain, by the race finder that knows nothing of how."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from neuronc.artifact.model import Kernel
from neuronc.backend.emit import SLOTS_MAX, WIDE, Emitted
from neuronc.backend.kernels import split
from neuronc.backend.synchronize import synchronize
from neuronc.dtypes import BY_NAME
from neuronc.isa import instructions as isa
from neuronc.isa.operands import Memory, Operand
from neuronc.isa.records import Record, encode
from neuronc.isa.table import ENGINES, Engine, Instruction
from neuronc.numerics import FUNCTIONS
from neuronc.runtime.accesses import Room, accesses_of
from neuronc.runtime.clocks import clocks_of
from neuronc.runtime.order import legal_order
from neuronc.runtime.races import Race, find_race

F32 = BY_NAME["f32"].code
ADD, EXP = FUNCTIONS["add"].code, FUNCTIONS["exponential"].code
VECTOR, SCALAR, GPSIMD = Engine.VECTOR, Engine.SCALAR, Engine.GPSIMD
IN, OUT = Engine.DMA_IN, Engine.DMA_OUT
Row = tuple[Engine, Instruction]


def tile(start: int, size: int = 64) -> Operand:
    """All of a tile."""
    return Operand(Memory.SBUF, F32, 0, (1,), (size // 4,), 0, 0, 128, start, size)


def buffer(number: int) -> Operand:
    return Operand(Memory.HBM, F32, 0, (1,), (2048,), number)


def load(start: int, number: int = 0) -> Row:
    return IN, isa.DmaCopy(tile(start), buffer(number), 0)


def exp(to: int, start: int) -> Row:
    return SCALAR, isa.Activation(tile(to), tile(start), None, None, EXP, 1.0)


def add(to: int, one: int, other: int) -> Row:
    return VECTOR, isa.TensorTensor(tile(to), tile(one), tile(other), ADD)


def store(start: int, number: int = 1) -> Row:
    return OUT, isa.DmaCopy(buffer(number), tile(start), 0)


def emitted(rows: Sequence[Row]) -> Emitted:
    """Records in program order, before they part into streams."""
    records = np.zeros(len(rows), WIDE)
    raw = records.view(np.uint8).reshape(len(rows), WIDE.itemsize)
    written = np.zeros((len(rows), SLOTS_MAX), np.bool_)
    for i, (engine, instr) in enumerate(rows):
        one = encode([Record(instr, (0,) * len(ENGINES), 0)], engine).view(np.uint8)
        raw[i, : len(one)] = one
        for slot, given_ in enumerate(instr.slots.values()):
            written[i, slot] = given_.written
    return Emitted(records, np.array([e for e, _ in rows], np.int64), written, ())


def waits(rows: Sequence[Row]) -> list[dict[Engine, int]]:
    """What each record waits for after synchronisation."""
    made = emitted(rows)
    synchronize(made)
    return [
        {e: int(n) for e, n in zip(ENGINES, row, strict=True) if n} for row in made.records["waits"]
    ]


def test_a_reader_waits_for_the_writer() -> None:
    assert waits([load(0), exp(64, 0), store(64)]) == [{}, {IN: 1}, {SCALAR: 1}]


def test_a_writer_waits_for_the_readers_and_not_again_for_what_they_waited_for() -> None:
    rows = [load(0), exp(64, 0), add(128, 0, 0), load(0)]
    assert waits(rows) == [{}, {IN: 1}, {IN: 1}, {VECTOR: 1, SCALAR: 1}]


def test_readers_do_not_wait_for_each_other() -> None:
    assert waits([load(0), exp(64, 0), add(128, 0, 0)])[2] == {IN: 1}


def test_the_order_within_an_engine_needs_no_wait() -> None:
    assert waits([load(0), load(0), exp(0, 0), exp(0, 0)]) == [{}, {}, {IN: 2}, {}]


def test_what_another_wait_implies_is_dropped() -> None:
    """The add reads a load and its exponential; that one has waited for the load."""
    assert waits([load(0), exp(64, 0), add(128, 64, 0)])[2] == {SCALAR: 1}
    assert waits([load(0), exp(64, 0), add(128, 0, 64)])[2] == {SCALAR: 1}


def test_an_earlier_wait_covers_what_came_before_it() -> None:
    rows = [load(0), load(64), add(128, 64, 64), add(192, 0, 0)]
    assert waits(rows)[2:] == [{IN: 2}, {}]


def test_tiles_that_share_bytes_are_one_thing() -> None:
    wide = (IN, isa.DmaCopy(tile(0, 128), buffer(0), 0))
    assert waits([wide, exp(192, 64)])[1] == {IN: 1}
    assert waits([wide, exp(192, 128)])[1] == {}


def test_two_buffers_let_the_next_load_overlap() -> None:
    """The third load waits for the first exponential, which read the same buffer."""
    rows = [load(0), exp(128, 0), load(64), exp(192, 64), load(0), exp(128, 0)]
    assert [w for (e, _), w in zip(rows, waits(rows), strict=True) if e is IN] == [
        {},
        {},
        {SCALAR: 1},
    ]


def test_buffers_that_are_only_read_need_no_wait() -> None:
    other = (OUT, isa.DmaCopy(buffer(1), buffer(0), 0))
    assert waits([load(0), other, load(64)]) == [{}, {}, {}]
    changed = (OUT, isa.DmaCopy(buffer(0), tile(0), 0))
    assert waits([load(0), changed, load(64)]) == [{}, {IN: 1}, {OUT: 1}]


STARTS = st.sampled_from([0, 32, 64, 96, 256])
TILES = st.builds(tile, STARTS, st.sampled_from([32, 64]))
ANYWHERE = TILES | st.builds(buffer, st.integers(0, 2))
ROWS = st.one_of(
    st.tuples(st.sampled_from([IN, OUT]), st.builds(isa.DmaCopy, ANYWHERE, ANYWHERE, st.just(0))),
    st.tuples(
        st.sampled_from([VECTOR, GPSIMD]),
        st.builds(isa.TensorTensor, TILES, TILES, TILES, st.just(ADD)),
    ),
    st.tuples(st.sampled_from([VECTOR, SCALAR, GPSIMD]), st.builds(isa.Copy, TILES, TILES)),
)


def race(streams: dict[Engine, np.ndarray]) -> Race | None:
    """A race of a kernel with three buffers; a deadlock raises."""
    accesses = accesses_of(Kernel("k", 3, streams), [Room(i, 0, 1 << 20) for i in range(3)])
    return find_race(accesses, clocks_of(streams, legal_order(streams, "k")))


@given(rows=st.lists(ROWS, min_size=1, max_size=30))
@settings(max_examples=60, deadline=None)
def test_any_program_is_ordered_and_no_wait_is_in_vain(rows: list[Row]) -> None:
    made = emitted(rows)
    synchronize(made)
    streams = split(made)
    assert race(streams) is None
    for stream in streams.values():
        for i, other in zip(*np.nonzero(stream["waits"]), strict=True):
            count = stream["waits"][i, other]
            stream["waits"][i, other] = 0
            assert race(streams) is not None
            stream["waits"][i, other] = count - 1
            assert race(streams) is not None
            stream["waits"][i, other] = count
