"""The instruction table: what derives from it is complete, and records keep what they are given."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuronc.dtypes import BY_CODE as TYPES
from neuronc.dtypes import BY_NAME
from neuronc.errors import ArtifactError
from neuronc.hardware import GENERATIONS, TRN2, Generation
from neuronc.isa import instructions as isa
from neuronc.isa.operands import OPERAND, Memory, Operand
from neuronc.isa.records import Record, decode, disassemble, encode, rows_of, verify
from neuronc.isa.table import ENGINES, INSTRUCTIONS, Engine, Instruction, Slot, Word
from neuronc.numerics import BY_CODE as FUNCTIONS
from neuronc.runtime.kernels import KERNELS

BY_DATA = {isa.DmaGather, isa.DmaScatter, isa.Library}
"""Instructions whose views depend on data: `runtime/indirect.py` binds them."""
ON_ENGINES = [(cls, engine) for cls in INSTRUCTIONS.values() for engine in cls.engines]
IDS = [f"{cls.__name__}-{engine.name}" for cls, engine in ON_ENGINES]
F32, BF16 = BY_NAME["f32"].code, BY_NAME["bf16"].code
ROOT = Path(__file__).parents[1]


def test_every_instruction_has_a_kernel_or_a_binder() -> None:
    assert set(KERNELS) | BY_DATA == set(INSTRUCTIONS.values())
    assert not set(KERNELS) & BY_DATA


def test_every_instruction_says_what_it_does_and_what_it_costs() -> None:
    for cls in INSTRUCTIONS.values():
        assert cls.__doc__
        assert cls.seconds.__doc__ != Instruction.seconds.__doc__


def test_the_page_is_up_to_date() -> None:
    spec = importlib.util.spec_from_file_location("isa_page", ROOT / "docs" / "isa.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert script.page() == (ROOT / "docs" / "isa.md").read_text(), "run `python docs/isa.py`"


def numbers(word: Word) -> st.SearchStrategy[Any]:
    """Values of a word: codes of a table, or anything its format holds."""
    if word.codes:
        return st.sampled_from([0, *FUNCTIONS])
    kind = np.dtype(word.format)
    if kind.kind == "f":
        return st.floats(width=8 * kind.itemsize, allow_nan=False)  # pyright: ignore
    limits = np.iinfo(kind)
    return st.integers(int(limits.min), int(limits.max))


def operands(slot: Slot) -> st.SearchStrategy[Operand | None]:
    """Operands of every memory that a slot allows, with any values that their fields hold."""

    def of(memory: Memory, pairs: list[tuple[int, int]]) -> st.SearchStrategy[Operand]:
        steps, counts = zip(*pairs, strict=True) if pairs else ((), ())
        chip = memory is not Memory.HBM
        u32, byte = st.integers(0, 2**32 - 1), st.integers(0, 255)
        return st.builds(
            Operand,
            st.just(memory),
            st.sampled_from(list(TYPES)),
            st.integers(-(2**63), 2**63 - 1),
            st.just(steps),
            st.just(counts),
            st.just(0) if chip else st.integers(0, 2**16 - 1),
            byte if chip else st.just(0),
            byte if chip else st.just(1),
            u32 if chip else st.just(0),
            u32 if chip else st.just(0),
        )

    pair = st.tuples(st.integers(-(2**31), 2**31 - 1), st.integers(1, 2**32 - 1))
    given_ = st.tuples(st.sampled_from(slot.memories), st.lists(pair, max_size=5)).flatmap(
        lambda both: of(*both)
    )
    return st.none() | given_ if slot.optional else given_


def records(cls: type[Instruction]) -> st.SearchStrategy[Record]:
    words = {name: numbers(word) for name, word in cls.words.items()}
    slots = {name: operands(slot) for name, slot in cls.slots.items()}
    u32 = st.integers(0, 2**32 - 1)
    return st.builds(
        Record, st.builds(cls, **words, **slots), st.tuples(*[u32] * len(ENGINES)), u32
    )


@pytest.mark.parametrize(("cls", "engine"), ON_ENGINES, ids=IDS)
@given(data=st.data())
@settings(max_examples=8, deadline=None)
def test_decode_inverts_encode(cls: type[Instruction], engine: Engine, data: st.DataObject) -> None:
    some = data.draw(st.lists(records(cls), max_size=3))
    stream = encode(some, engine)
    assert list(decode(stream)) == some
    assert stream.tobytes() == encode(list(decode(stream)), engine).tobytes()


def test_records_are_decoded_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of classes that take turns, and however many are decoded together."""
    block = Operand(Memory.SBUF, F32, 0, (1,), (8,), partitions=4, tile_bytes=32)
    turns = (isa.Copy(block, block), isa.Memset(block, 1.0), isa.Copy(block, block))
    some = [Record(instr, (0,) * len(ENGINES), n) for n, instr in enumerate(turns * 2)]
    stream = encode(some, Engine.VECTOR)
    for chunk in (1, 4, 6, 7):
        monkeypatch.setattr("neuronc.isa.records._CHUNK", chunk)
        assert list(decode(stream)) == some


def test_a_copy_of_a_stream_is_all_of_it() -> None:
    """NumPy copies what fields name, and nothing else."""
    stream = encode([Record(example(isa.Select), (1,) * len(ENGINES), 7)] * 9, Engine.VECTOR)
    for copied in (stream.copy(), stream[::2], stream[[1, 2]], np.concatenate([stream, stream])):
        assert np.ascontiguousarray(copied).tobytes() == stream[:1].tobytes() * len(copied)


@pytest.mark.parametrize(("cls", "engine"), ON_ENGINES, ids=IDS)
def test_disassembly_names_every_operand_and_every_word_that_is_set(
    cls: type[Instruction], engine: Engine
) -> None:
    text = disassemble(Record(example(cls), (0, 0, 3, 0, 0, 0), 0))
    assert text.startswith(cls.__name__)
    assert all(f"{name}=" in text for name in cls.slots)
    assert all(f"{name}=" in text for name in cls.words)
    assert text.endswith("wait scalar>=3")


def operand(name: str, slot: Slot, columns: int, dtype: int, memory: Memory) -> Operand:
    """A [16, columns] operand that fits a bank, rows of the stationary side as wide as M."""
    where = memory if memory in slot.memories else slot.memories[0]
    if where is Memory.HBM:
        return Operand(where, dtype, 0, (4096, 1), (16, columns), 1)
    width = 16 if name == "stationary" else columns
    return Operand(where, dtype, 0, (1,), (width,), 0, 0, 16, 2048, 2048)


def example(
    cls: type[Instruction],
    columns: int = 64,
    dtype: int = F32,
    memory: Memory = Memory.SBUF,
    full: bool = True,
) -> Instruction:
    """A legal instruction of [16, columns]."""
    words = {n: 1 for n in cls.words}
    if cls is isa.Library:
        words |= {"elements": 16 * columns, "work": 16 * columns}
    slots = {
        n: None if slot.optional and not full else operand(n, slot, columns, dtype, memory)
        for n, slot in cls.slots.items()
    }
    return cls(**words, **slots)


def prices(examples: list[Instruction], engine: Engine, hw: Generation) -> list[float]:
    cls = type(examples[0])
    stream = encode([Record(e, (0,) * len(ENGINES), 0) for e in examples], engine)
    return cls.seconds(rows_of(stream, cls, np.arange(len(stream))), engine, hw).tolist()


@pytest.mark.parametrize("hw", GENERATIONS.values(), ids=list(GENERATIONS))
@pytest.mark.parametrize("dtype", [F32, BF16], ids=["f32", "bf16"])
@pytest.mark.parametrize("memory", [Memory.SBUF, Memory.PSUM, Memory.HBM])
@pytest.mark.parametrize(("cls", "engine"), ON_ENGINES, ids=IDS)
def test_every_instruction_has_a_price_that_grows_with_its_columns(
    cls: type[Instruction], engine: Engine, memory: Memory, dtype: int, hw: Generation
) -> None:
    for full in (False, True):
        sizes = [example(cls, n, dtype, memory, full) for n in (1, 64, 512, 1 << 20)]
        found = prices(sizes, engine, hw)
        assert all(0 < price < 1 for price in found)
        assert all(a <= b for a, b in pairwise(found))
        if cls is not isa.Transpose:
            assert found[0] < found[-1]


def test_moving_more_rows_to_computed_addresses_costs_more() -> None:
    """A gather's rows are those of dst, a scatter's those of src: neither is priced as one row."""
    index = Operand(Memory.SBUF, BY_NAME["i32"].code, 0, (1,), (1,), 0, 0, 128, 0, 4)
    row = Operand(Memory.HBM, F32, 0, (1,), (1 << 20,), 0)
    rows = Operand(Memory.HBM, F32, 0, (1 << 21, 1), (128, 1 << 20), 1)
    for engine in (Engine.DMA_IN, Engine.DMA_OUT):
        (copy,) = prices([isa.DmaCopy(rows, rows, 0)], engine, TRN2)
        assert prices([isa.DmaGather(rows, row, index, 1)], engine, TRN2) == [copy]
        assert prices([isa.DmaScatter(row, rows, index, 1, 0)], engine, TRN2) == [copy]
        assert prices([isa.DmaScatter(row, rows, index, 1, 1)], engine, TRN2) == [2 * copy]


def stream_of(*instructions: Instruction, engine: Engine) -> np.ndarray:
    return encode([Record(i, (0,) * len(ENGINES), 0) for i in instructions], engine)


@pytest.mark.parametrize(("cls", "engine"), ON_ENGINES, ids=IDS)
def test_verify_accepts_what_is_legal(cls: type[Instruction], engine: Engine) -> None:
    for full in (False, True):
        stream = stream_of(example(cls, full=full), engine=engine)
        verify(stream, engine, "k/e", TRN2, buffers=2)


Field = Callable[[np.ndarray], None]


def put(name: str, value: object) -> Field:
    """A change of one field of an operand word."""

    def change(word: np.ndarray) -> None:
        word[name] = value

    return change


BAD_ON_CHIP: dict[str, Field] = {
    "in a wrong memory": put("memory", 9),
    "has an unknown type": put("dtype", 200),
    "bad shape": put("counts", 0),
    "bad shape ": put("rank", 6),
    "bad shape  ": put("partitions", 0),
    "bad shape   ": put("counts", (64, 2, 1, 1, 1)),
    "bad shape    ": put("rank", 5),
    "reaches past the last partition": put("partition_start", 113),
    "reaches past the end of the partition": put("tile_start", TRN2.sbuf_bytes_per_partition),
    "reaches outside its tile": put("offset", -4),
    "reaches outside its tile ": put("offset", 2048 - 15 * 4),
    "reaches outside its tile  ": put("steps", (-1, 0, 0, 0, 0)),
    "reaches outside its tile   ": put("steps", (99, 0, 0, 0, 0)),
    "reaches outside its tile    ": put("counts", (2**32 - 1, 1, 1, 1, 1)),
    "reaches outside its tile     ": put("tile_bytes", 16),
}


@pytest.mark.parametrize("problem", BAD_ON_CHIP)
@pytest.mark.parametrize("cls", [c for c in INSTRUCTIONS.values() if c.slots])
def test_verify_names_the_record_with_an_operand_out_of_range(
    cls: type[Instruction], problem: str
) -> None:
    """Every operand of every instruction, in the third record of a stream."""
    other = isa.DmaCopy if cls is not isa.DmaCopy else isa.DmaGather
    engine = cls.engines[0]
    first = example(other if engine in other.engines else cls)
    for name in cls.slots:
        stream = stream_of(first, example(cls), example(cls), engine=engine)
        raw = stream.view(np.uint8).reshape(len(stream), -1)
        at = cls.layout.fields[name][1]  # pyright: ignore
        word = raw[2, at : at + OPERAND.itemsize].view(OPERAND)
        if word["memory"][0] == Memory.HBM:
            continue
        BAD_ON_CHIP[problem](word)
        with pytest.raises(ArtifactError) as caught:
            verify(stream, engine, "k/e", TRN2, buffers=2)
        assert caught.value.where == "k/e[2]"
        assert caught.value.problem.startswith(name)
        assert problem.strip() in caught.value.problem


def test_verify_rejects_a_buffer_that_the_kernel_does_not_have() -> None:
    stream = stream_of(example(isa.DmaCopy, memory=Memory.HBM), engine=Engine.DMA_IN)
    with pytest.raises(ArtifactError, match="dst names no buffer of the kernel"):
        verify(stream, Engine.DMA_IN, "k/e", TRN2, buffers=1)


def test_verify_rejects_an_unknown_opcode_and_one_of_another_engine() -> None:
    stream = stream_of(example(isa.Memset), example(isa.Memset), engine=Engine.VECTOR)
    for opcode in (0xEE, isa.MatMul.opcode):
        stream["opcode"][1] = opcode
        with pytest.raises(ArtifactError, match=rf"k/e\[1\].*VECTOR has no opcode {opcode:#x}"):
            verify(stream, Engine.VECTOR, "k/e", TRN2, buffers=2)


@pytest.mark.parametrize(
    ("cls", "name"),
    [(c, n) for c in INSTRUCTIONS.values() for n, w in c.words.items() if w.codes],
)
def test_verify_rejects_an_unknown_function(cls: type[Instruction], name: str) -> None:
    stream = stream_of(example(cls), engine=cls.engines[0])
    stream.view(np.uint8)[cls.layout.fields[name][1]] = 255  # pyright: ignore
    with pytest.raises(ArtifactError, match=f"{name} has an unknown code"):
        verify(stream, cls.engines[0], "k/e", TRN2, buffers=2)


def chip(memory: Memory, columns: int, partitions: int = 16) -> Operand:
    return Operand(memory, F32, 0, (1,), (columns,), 0, 0, partitions, 0, 4096)


@pytest.mark.parametrize(
    ("dst", "stationary", "moving", "problem"),
    [
        ((16, 16), (129, 16), (16, 16), "stationary has too many columns"),
        ((513, 16), (16, 16), (513, 16), "moving has too many columns"),
        ((16, 16), (16, 16), (16, 15), "stationary and moving differ in K"),
        ((16, 15), (16, 16), (16, 16), "dst and stationary differ in M"),
        ((15, 16), (16, 16), (16, 16), "dst and moving differ in N"),
    ],
)
def test_verify_keeps_matmuls_within_the_array(
    dst: tuple[int, int], stationary: tuple[int, int], moving: tuple[int, int], problem: str
) -> None:
    """Shapes are (columns, partitions)."""
    left, right = chip(Memory.SBUF, *stationary), chip(Memory.SBUF, *moving)
    multiply = isa.MatMul(chip(Memory.PSUM, *dst), left, right, 0)
    with pytest.raises(ArtifactError, match=problem):
        verify(stream_of(multiply, engine=Engine.TENSOR), Engine.TENSOR, "k/e", TRN2, buffers=0)
