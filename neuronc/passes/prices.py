"""What single instructions cost, by the formulas of the instruction table, for searches.

Each function prices one made-up record with `Instruction.seconds`, so a search and the timeline
never disagree about a price. Answers are kept: a search asks for few different ones.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from neuronc.dtypes import BY_NAME
from neuronc.hardware import Generation
from neuronc.isa.instructions import (
    Activation,
    Copy,
    DmaCopy,
    MatMul,
    Select,
    TensorReduce,
    TensorTensor,
    Transpose,
)
from neuronc.isa.operands import Memory
from neuronc.isa.table import Engine, Instruction

_Operand = tuple[Memory, int, int, tuple[int, ...]]
_BY_BYTES = {1: "i8", 2: "bf16", 4: "f32"}


def _record(cls: type[Instruction], operands: dict[str, _Operand]) -> np.ndarray:
    """One record; an operand is (memory, element bytes, partitions, dense counts)."""
    row = np.zeros(1, cls.layout)
    for name in cls.slots:
        row[name]["counts"] = 1
    for name, (memory, size, partitions, counts) in operands.items():
        word = row[name]
        word["memory"], word["partitions"] = memory, partitions
        word["dtype"], word["rank"] = BY_NAME[_BY_BYTES[size]].code, len(counts)
        for i, count in enumerate(counts):
            # Only the last run is contiguous: the others step over a gap.
            word["counts"][0, i] = count
            word["steps"][0, i] = 1 if i == len(counts) - 1 else 2 * count * counts[-1]
    return row


@cache
def matmul_seconds(
    columns: int, element_bytes: int, hw: Generation, rows: int | None = None
) -> float:
    """One tile of moving columns against one stationary tile, a whole one or of fewer rows."""
    moving = (Memory.SBUF, element_bytes, hw.partitions, (columns,))
    dst = (Memory.PSUM, 4, hw.partitions, (columns,))
    stationary = (Memory.SBUF, element_bytes, hw.partitions, (rows or hw.stationary_columns_max,))
    row = _record(MatMul, {"dst": dst, "stationary": stationary, "moving": moving})
    return float(MatMul.seconds(row, Engine.TENSOR, hw)[0])


@cache
def transpose_seconds(rows: int, columns: int, element_bytes: int, hw: Generation) -> float:
    """One [rows, columns] block through the tensor engine."""
    src = (Memory.SBUF, element_bytes, rows, (columns,))
    dst = (Memory.PSUM, element_bytes, columns, (rows,))
    row = _record(Transpose, {"dst": dst, "src": src})
    return float(Transpose.seconds(row, Engine.TENSOR, hw)[0])


@cache
def copy_seconds(
    columns: int, from_bytes: int, to_bytes: int, engine: Engine, hw: Generation
) -> float:
    """From PSUM to SBUF, on the vector or the scalar engine."""
    src = (Memory.PSUM, from_bytes, hw.partitions, (columns,))
    dst = (Memory.SBUF, to_bytes, hw.partitions, (columns,))
    row = _record(Copy, {"dst": dst, "src": src})
    return float(Copy.seconds(row, engine, hw)[0])


@cache
def pair_seconds(columns: int, element_bytes: int, hw: Generation) -> float:
    """A function of two blocks in SBUF on the vector engine."""
    block = (Memory.SBUF, element_bytes, hw.partitions, (columns,))
    row = _record(TensorTensor, {"dst": block, "lhs": block, "rhs": block})
    return float(TensorTensor.seconds(row, Engine.VECTOR, hw)[0])


@cache
def near_pair_seconds(columns: int, hw: Generation) -> float:
    """A function of a float32 block in PSUM and another block on the vector engine."""
    block, psum = ((m, 4, hw.partitions, (columns,)) for m in (Memory.SBUF, Memory.PSUM))
    row = _record(TensorTensor, {"dst": block, "lhs": psum, "rhs": block})
    return float(TensorTensor.seconds(row, Engine.VECTOR, hw)[0])


@cache
def select_seconds(columns: int, hw: Generation) -> float:
    """A choice by a mask among a float32 block in PSUM and another, in its place."""
    block, psum = ((m, 4, hw.partitions, (columns,)) for m in (Memory.SBUF, Memory.PSUM))
    row = _record(Select, {"dst": psum, "predicate": block, "on_true": psum, "on_false": block})
    return float(Select.seconds(row, Engine.VECTOR, hw)[0])


@cache
def reduce_seconds(columns: int, hw: Generation) -> float:
    """A reduction of float32 columns on the vector engine."""
    block = (Memory.SBUF, 4, hw.partitions, (columns,))
    row = _record(TensorReduce, {"dst": block, "src": block})
    return float(TensorReduce.seconds(row, Engine.VECTOR, hw)[0])


@cache
def activation_seconds(
    columns: int, element_bytes: int, hw: Generation, summed: bool = False
) -> float:
    """A function with a table on the scalar engine, and its sums."""
    block = (Memory.SBUF, element_bytes, hw.partitions, (columns,))
    sums = {"row_sum": block} if summed else {}
    row = _record(Activation, {"dst": block, "src": block, **sums})
    return float(Activation.seconds(row, Engine.SCALAR, hw)[0])


@cache
def dma_seconds(partitions: int, runs: int, run: int, element_bytes: int, hw: Generation) -> float:
    """A transfer of `runs` contiguous runs of `run` elements for each partition."""
    chip = (Memory.SBUF, element_bytes, partitions, (runs * run,))
    outside = (Memory.HBM, element_bytes, 0, (partitions, runs, run))
    row = _record(DmaCopy, {"dst": chip, "src": outside})
    return float(DmaCopy.seconds(row, Engine.DMA_IN, hw)[0])
