"""How far the records of a kernel reach: into buffers, the library table and the other streams.

Records address buffers relative to those of a call, so the kernel says how many bytes each must
have, once, and each call is checked against that. The rows that a gather or scatter picks depend
on data; the executor checks those.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from neuronc.artifact.codec import DAMAGED
from neuronc.artifact.constants import nbytes
from neuronc.artifact.model import Kernel
from neuronc.dtypes import BY_CODE
from neuronc.errors import ArtifactError
from neuronc.isa.instructions import Library
from neuronc.isa.operands import Memory
from neuronc.isa.records import rows_of
from neuronc.isa.table import ENGINES, INSTRUCTIONS, Engine

_ELEMENT_BYTES = np.array([BY_CODE[c].bytes if c in BY_CODE else 1 for c in range(256)], np.int64)


def buffer_bytes(kernel: Kernel, where: str) -> list[int]:
    """The least number of bytes that each buffer of a call must have.

    Raises:
        ArtifactError: a record reaches before the start of its buffer.
    """
    needed = np.zeros(kernel.buffers, np.float64)
    for engine, stream in kernel.streams.items():
        for words in _hbm_operands(stream):
            low, high = _extent(words)
            if (low < 0).any():
                problem = f"an operand of the {engine.name} reaches before the start of its buffer"
                raise ArtifactError(where, problem, DAMAGED)
            np.maximum.at(needed, words["buffer"], high)
    for call in kernel.library:
        for operand in (*call.inputs, *call.outputs):
            size = nbytes(operand.shape, operand.dtype)
            needed[operand.argument] = max(needed[operand.argument], size)
    return [int(n) for n in needed]


def check_records(kernel: Kernel, sources: int, where: str) -> None:
    """Every record waits for counts that are reached, and names entries of the tables.

    Raises:
        ArtifactError: one does not.
    """
    lengths = np.array([len(kernel.streams.get(e, ())) for e in ENGINES])
    for engine, stream in kernel.streams.items():
        if (stream["waits"] > lengths).any():
            _fail(where, engine, "waits for more records than a stream has")
        # A kernel compiled without a debug map names source 0 everywhere.
        if (stream["source"] >= max(sources, 1)).any():
            _fail(where, engine, "names no entry of the debug map")
        select = np.flatnonzero(stream["opcode"] == Library.opcode)
        if (rows_of(stream, Library, select)["call"] >= len(kernel.library)).any():
            _fail(where, engine, "names no entry of the library table")


def _hbm_operands(stream: np.ndarray) -> list[np.ndarray]:
    found: list[np.ndarray] = []
    for opcode in np.unique(stream["opcode"]).tolist():
        cls = INSTRUCTIONS[opcode]
        slots = [n for n, s in cls.slots.items() if Memory.HBM in s.memories]
        if not slots:
            continue
        rows = rows_of(stream, cls, np.flatnonzero(stream["opcode"] == opcode))
        found += [rows[n][rows[n]["memory"] == Memory.HBM] for n in slots]
    return found


def _extent(words: np.ndarray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """First byte and end of each access; in float64, which hostile sizes cannot overflow."""
    size = _ELEMENT_BYTES[words["dtype"]].astype(np.float64)
    span = (words["counts"].astype(np.float64) - 1) * words["steps"]
    start = words["offset"].astype(np.float64)
    low = start + np.minimum(span, 0).sum(1) * size
    return low, start + (np.maximum(span, 0).sum(1) + 1) * size


def _fail(where: str, engine: Engine, problem: str) -> None:
    raise ArtifactError(where, f"a record of the {engine.name} {problem}", DAMAGED)
