"""Encode, decode, verify and print records; generic over the table of instructions.

A stream is one contiguous array of fixed-size records, so it is mapped from the artifact with
`np.frombuffer`, written by whole columns, and priced by vectorised arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from neuronc import numerics
from neuronc.dtypes import BY_CODE
from neuronc.errors import ArtifactError
from neuronc.hardware import Generation
from neuronc.isa.instructions import MatMul
from neuronc.isa.operands import (
    ELEMENT_BYTES,
    FREE_DIMENSIONS_MAX,
    HBM_DIMENSIONS_MAX,
    OPERAND,
    Memory,
    Operand,
    decode_operands,
    encode_operand,
)
from neuronc.isa.table import (
    ENGINES,
    INSTRUCTIONS,
    OPERANDS_OFFSET,
    Engine,
    Instruction,
    header_dtype,
    record_bytes,
)

_CHUNK = 1 << 14
"""Records decoded together: bounds memory, not the result."""
_ELEMENTS_MAX = 1 << 31
"""No access walks more elements of one partition; products of counts stay exact."""


@dataclass(frozen=True)
class Record:
    """One decoded record: what to do, what to wait for, where it came from."""

    instruction: Instruction
    waits: tuple[int, ...]
    """Per engine, the progress count that must be reached; 0 is none."""
    source: int


def stream_dtype(engine: Engine) -> np.dtype:
    """The dtype of a raw record of `engine`'s stream: the header, the rest opaque."""
    return header_dtype(record_bytes(engine))


def rows_of(stream: np.ndarray, cls: type[Instruction], select: np.ndarray) -> np.ndarray:
    """The records of `stream` at `select` (all of class `cls`) as an array of its layout."""
    size = stream.dtype.itemsize
    raw = np.ascontiguousarray(stream).view(np.uint8).reshape(len(stream), size)[select]
    return np.ascontiguousarray(raw[:, : cls.layout.itemsize]).view(cls.layout).reshape(-1)


def encode(records: list[Record], engine: Engine) -> np.ndarray:
    """Encode single records into a stream; the backend writes whole columns instead."""
    stream = np.zeros(len(records), stream_dtype(engine))
    raw = stream.view(np.uint8).reshape(len(records), stream.dtype.itemsize)
    for i, record in enumerate(records):
        cls = type(record.instruction)
        row = np.zeros((), cls.layout)
        row["opcode"], row["source"], row["waits"] = cls.opcode, record.source, record.waits
        for name in cls.words:
            row[name] = getattr(record.instruction, name)
        for name in cls.slots:
            row[name] = encode_operand(getattr(record.instruction, name))
        raw[i, : cls.layout.itemsize] = np.frombuffer(row.tobytes(), np.uint8)
    return stream


def decode(stream: np.ndarray) -> Iterator[Record]:
    """Decode a stream record by record, in order."""
    for start in range(0, len(stream), _CHUNK):
        yield from _decoded(stream[start : start + _CHUNK])


def _decoded(stream: np.ndarray) -> Iterator[Record]:
    """Decode column by column, all records of a class at a time."""
    out: dict[int, Record] = {}
    for opcode in np.unique(stream["opcode"]).tolist():
        cls, select = INSTRUCTIONS[opcode], np.flatnonzero(stream["opcode"] == opcode)
        rows = rows_of(stream, cls, select)
        names = *cls.words, *cls.slots
        words = (rows[name].tolist() for name in cls.words)
        columns = *words, *(decode_operands(rows[name]) for name in cls.slots)
        heads = select.tolist(), rows["waits"].tolist(), rows["source"].tolist()
        for at, waits, source, *values in zip(*heads, *columns, strict=True):
            instr = cls(**dict(zip(names, values, strict=True)))
            out[at] = Record(instr, tuple(waits), source)
    return (out[at] for at in range(len(stream)))


def verify(stream: np.ndarray, engine: Engine, where: str, hw: Generation, buffers: int) -> None:
    """Check every record of a stream: known opcodes, legal operands, the array's limits.

    Raises:
        ArtifactError: naming the first record that breaks a rule.
    """
    opcodes = stream["opcode"]
    for opcode in np.unique(opcodes).tolist():
        select = np.flatnonzero(opcodes == opcode)
        cls = INSTRUCTIONS.get(opcode)
        if cls is None or engine not in cls.engines:
            raise _damaged(where, int(select[0]), f"{engine.name} has no opcode {opcode:#x}")
        rows = rows_of(stream, cls, select)
        for name, slot in cls.slots.items():
            words = rows[name]
            allowed = [*slot.memories, *([Memory.NONE] if slot.optional else [])]
            _check(np.isin(words["memory"], allowed), select, where, f"{name} in a wrong memory")
            present = words["memory"] != Memory.NONE
            _verify_operand(words[present], select[present], where, name, hw, buffers)
        for name, word in cls.words.items():
            if word.codes == "function":
                known = np.isin(rows[name], [0, *numerics.BY_CODE])
                _check(known, select, where, f"{name} has an unknown code")
        if cls is MatMul:
            _verify_matmul(rows, select, where, hw)


def _verify_operand(
    words: np.ndarray, at: np.ndarray, where: str, name: str, hw: Generation, buffers: int
) -> None:
    """The operands `name` of the records `at`, which are present."""
    hbm = words["memory"] == Memory.HBM
    _check(np.isin(words["dtype"], list(BY_CODE)), at, where, f"{name} has an unknown type")
    _check(_has_shape(words, hbm), at, where, f"{name}: bad shape")
    _check(~hbm | (words["buffer"] < buffers), at, where, f"{name} names no buffer of the kernel")
    end = words["partition_start"].astype(int) + words["partitions"]
    _check(hbm | (end <= hw.partitions), at, where, f"{name} reaches past the last partition")
    limit = np.where(
        words["memory"] == Memory.PSUM, hw.psum_bytes_per_partition, hw.sbuf_bytes_per_partition
    )
    tile_end = words["tile_start"].astype(np.int64) + words["tile_bytes"]
    _check(hbm | (tile_end <= limit), at, where, f"{name} reaches past the end of the partition")
    _check(hbm | _in_tile(words), at, where, f"{name} reaches outside its tile")


def _has_shape(words: np.ndarray, hbm: np.ndarray) -> np.ndarray:
    """At most as many dimensions as the memory allows, none empty, 1 where there is none."""
    rank_max = np.where(hbm, HBM_DIMENSIONS_MAX, FREE_DIMENSIONS_MAX)
    counts, beyond = words["counts"], np.arange(HBM_DIMENSIONS_MAX) >= words["rank"][:, None]
    whole = ((counts == 1) | (~beyond & (counts > 0))).all(axis=1)
    return whole & (words["rank"] <= rank_max) & (hbm | (words["partitions"] > 0))


def _in_tile(words: np.ndarray) -> np.ndarray:
    """Whether each access stays in its tile; in float64, which hostile sizes cannot overflow."""
    size = ELEMENT_BYTES[words["dtype"]]
    span = (words["counts"].astype(np.float64) - 1) * words["steps"]
    low = words["offset"] + np.minimum(span, 0).sum(axis=1) * size
    high = words["offset"] + (np.maximum(span, 0).sum(axis=1) + 1) * size
    elements = words["counts"].astype(np.float64).prod(axis=1)
    return (low >= 0) & (high <= words["tile_bytes"]) & (elements <= _ELEMENTS_MAX)


def _verify_matmul(rows: np.ndarray, select: np.ndarray, where: str, hw: Generation) -> None:
    m = rows["stationary"]["counts"].prod(1)
    n = rows["moving"]["counts"].prod(1)
    k = rows["stationary"]["partitions"]
    _check(m <= hw.stationary_columns_max, select, where, "stationary has too many columns")
    _check(n <= hw.matmul_columns_max, select, where, "moving has too many columns")
    _check(k == rows["moving"]["partitions"], select, where, "stationary and moving differ in K")
    _check(m == rows["dst"]["partitions"], select, where, "dst and stationary differ in M")
    _check(n == rows["dst"]["counts"].prod(1), select, where, "dst and moving differ in N")


def _check(holds: np.ndarray, select: np.ndarray, where: str, problem: str) -> None:
    if not holds.all():
        raise _damaged(where, int(select[int(np.argmin(holds))]), problem)


def _damaged(where: str, index: int, problem: str) -> ArtifactError:
    hint = "the file is damaged or was not written by neuronc; compile the model again"
    return ArtifactError(f"{where}[{index}]", problem, hint, code="NRC-0410")


def disassemble(record: Record) -> str:
    """One line: the waits, the name, the words that are set, the operands."""
    instr = record.instruction
    waits = " ".join(
        f"{e.name.lower()}>={n}" for e, n in zip(ENGINES, record.waits, strict=False) if n
    )
    parts: list[str] = []
    for name in instr.slots:
        operand = getattr(instr, name)
        if operand is not None:
            parts.append(f"{name}={format_operand(operand)}")
    for name, word in instr.words.items():
        value = getattr(instr, name)
        if value or not word.codes:
            text = numerics.BY_CODE[value].name if word.codes else f"{value:g}"
            parts.append(f"{name}={text}")
    return f"{type(instr).__name__:<18} {', '.join(parts)}" + (f"  wait {waits}" if waits else "")


def format_operand(operand: Operand) -> str:
    """Render like `sbuf[0:128, 4096+0:(1,512)]:f32` or `hbm2[0:(768,128)(1,768)]:f32`."""
    dtype = BY_CODE[operand.dtype].name
    pairs = "".join(f"({s},{c})" for s, c in zip(operand.steps, operand.counts, strict=True))
    if operand.memory is Memory.HBM:
        return f"hbm{operand.buffer}[{operand.offset}:{pairs}]:{dtype}"
    start, stop = operand.partition_start, operand.partition_start + operand.partitions
    name = operand.memory.name.lower()
    return f"{name}[{start}:{stop}, {operand.tile_start}+{operand.offset}:{pairs}]:{dtype}"


assert OPERANDS_OFFSET % OPERAND.itemsize == 0
