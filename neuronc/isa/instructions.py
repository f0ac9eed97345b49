"""The instructions: layout, meaning and price of each in one place.

Shapes: P partitions, C columns, K contraction, M/N the result of a matmul. Costs are the formulas
of the hardware reference, section 3.2, in cycles of the executing engine; DMA follows 3.5 and 3.6.
The vector, scalar and gpsimd engines compute floats in float32 and round once to the type of
`dst`; integers are exact on gpsimd (2.2).
"""

from __future__ import annotations

import numpy as np

from neuronc.hardware import Generation
from neuronc.isa.operands import ELEMENT_BYTES, Memory, columns
from neuronc.isa.table import (
    DMA_QUEUES,
    F32,
    F64,
    I32,
    I64,
    U8,
    U32,
    Address,
    AddressOut,
    Chip,
    ChipOut,
    Engine,
    Function,
    Instruction,
    OptionalChip,
    OptionalChipOut,
    PsumOut,
    Sbuf,
    instruction,
)


@instruction(0x10, (Engine.TENSOR,))
class MatMul(Instruction):
    """dst[M, N] = stationary[K, M].T @ moving[K, N] in float32, added to dst if `accumulate`."""

    dst: PsumOut
    stationary: Sbuf
    moving: Sbuf
    accumulate: U8

    @classmethod
    def seconds(cls, rows: np.ndarray, engine: Engine, hw: Generation) -> np.ndarray:
        """One moving column a cycle, at least 64; float32 takes four passes (3.1)."""
        passes = np.where(_bytes(rows["moving"]) >= 4, hw.matmul_fp32_passes, 1)
        return np.maximum(columns(rows["moving"]), hw.matmul_min_columns) * passes / hw.tensor_hz


@instruction(0x11, (Engine.TENSOR,))
class Transpose(Instruction):
    """dst[C, P] = src[P, C].T, bits unchanged: a matmul in transpose mode."""

    dst: PsumOut
    src: Sbuf

    @classmethod
    def seconds(cls, rows: np.ndarray, engine: Engine, hw: Generation) -> np.ndarray:
        """max(P, min(64, C)) columns (3.2); 32-bit elements pass more than once (2.6)."""
        passes = np.where(_bytes(rows["src"]) >= 4, hw.transpose_fp32_passes, 1)
        floor = np.minimum(columns(rows["src"]), hw.matmul_min_columns)
        return np.maximum(rows["src"]["partitions"], floor) * passes / hw.tensor_hz


@instruction(0x20, (Engine.VECTOR, Engine.GPSIMD))
class TensorTensor(Instruction):
    """dst[P, C] = function(lhs[P, C], rhs[P, C])."""

    dst: ChipOut
    lhs: Chip
    rhs: Chip
    function: Function

    @classmethod
    def seconds(cls, rows: np.ndarray, engine: Engine, hw: Generation) -> np.ndarray:
        """2N, or N if an operand is in PSUM; 16-bit pairs run faster (3.2, 2.6)."""
        psum = (rows["lhs"]["memory"] == Memory.PSUM) | (rows["rhs"]["memory"] == Memory.PSUM)
        narrow = (_bytes(rows["lhs"]) <= 2) & (_bytes(rows["rhs"]) <= 2) & ~psum
        speedup = np.where(narrow, hw.vector_16bit_pair_speedup, 1)
        return _chip(columns(rows["dst"]) * np.where(psum, 1, 2) / speedup, engine, hw)


@instruction(0x21, (Engine.VECTOR, Engine.GPSIMD))
class TensorScalar(Instruction):
    """dst = function1(function0(src, a), b); a, b are [P, 1] operands or immediates.

    `reverse0` and `reverse1` swap the arguments of their function; function1 may be absent.
    """

    dst: ChipOut
    src: Chip
    scalar0: OptionalChip
    scalar1: OptionalChip
    function0: Function
    function1: Function
    reverse0: U8
    reverse1: U8
    immediate0: F64
    immediate1: F64

    @classmethod
    def seconds(cls, rows: np.ndarray, engine: Engine, hw: Generation) -> np.ndarray:
        """N; two functions cost the same as one; 16-bit SBUF operands run faster (3.2, 2.6)."""
        return _one_input(rows, engine, hw)


@instruction(0x22, (Engine.VECTOR,))
class ScalarTensorTensor(Instruction):
    """dst = function1(function0(src, a), tensor); a is a [P, 1] operand or an immediate."""

    dst: ChipOut
    src: Chip
    scalar: OptionalChip
    tensor: Chip
    function0: Function
    function1: Function
    reverse0: U8
    reverse1: U8
    immediate: F64

    @classmethod
    def seconds(cls, rows: np.ndarray, engine: Engine, hw: Generation) -> np.ndarray:
        """2N (3.2)."""
        return _chip(columns(rows["dst"]) * 2, engine, hw)


@instruction(0x23, (Engine.VECTOR, Engine.GPSIMD))
class TensorReduce(Instruction):
    """dst[P, ...] = src reduced by `function` over its `axes` last free dimensions."""

    dst: ChipOut
    src: Chip
    function: Function
    axes: U8

    @classmethod
    def seconds(cls, rows: np.ndarray, engine: Engine, hw: Generation) -> np.ndarray:
        """N of the source (3.2)."""
        return _chip(columns(rows["src"]), engine, hw)


@instruction(0x24, (Engine.VECTOR, Engine.GPSIMD))
class Select(Instruction):
    """dst = on_true where predicate else on_false, bits unchanged."""

    dst: ChipOut
    predicate: Chip
    on_true: Chip
    on_false: Chip

    @classmethod
    def seconds(cls, rows: np.ndarray, engine: Engine, hw: Generation) -> np.ndarray:
        """2N, as tensor_copy_predicated (3.2)."""
        return _chip(columns(rows["dst"]) * 2, engine, hw)


@instruction(0x25, (Engine.VECTOR, Engine.SCALAR, Engine.GPSIMD))
class Copy(Instruction):
    """dst = src, cast by the rules of StableHLO's convert where the types differ."""

    dst: ChipOut
    src: Chip

    @classmethod
    def seconds(cls, rows: np.ndarray, engine: Engine, hw: Generation) -> np.ndarray:
        """N; 16-bit SBUF operands run faster (3.2, 2.6)."""
        return _one_input(rows, engine, hw)


@instruction(0x26, (Engine.VECTOR, Engine.GPSIMD))
class Memset(Instruction):
    """dst = value."""

    dst: ChipOut
    value: F64

    @classmethod
    def seconds(cls, rows: np.ndarray, engine: Engine, hw: Generation) -> np.ndarray:
        """N (3.2)."""
        return _chip(columns(rows["dst"]), engine, hw)


@instruction(0x30, (Engine.SCALAR,))
class Activation(Instruction):
    """dst = function(scale * src + bias); row_sum[P, 1] = the sum of dst over its columns."""

    dst: ChipOut
    src: Chip
    bias: OptionalChip
    row_sum: OptionalChipOut
    function: Function
    scale: F32

    @classmethod
    def seconds(cls, rows: np.ndarray, engine: Engine, hw: Generation) -> np.ndarray:
        """N, and one minimum interval to read the accumulator out (3.2)."""
        summed = rows["row_sum"]["memory"] != Memory.NONE
        readout = np.where(summed, hw.min_interval_cycles / hw.scalar_hz, 0.0)
        return _chip(columns(rows["dst"]), engine, hw) + readout


@instruction(0x40, (Engine.GPSIMD,))
class Elementwise(Instruction):
    """dst = function(src): what the scalar engine has no table for, as a gpsimd kernel."""

    dst: ChipOut
    src: Chip
    function: Function

    @classmethod
    def seconds(cls, rows: np.ndarray, engine: Engine, hw: Generation) -> np.ndarray:
        """150 + N (3.1)."""
        return _chip(columns(rows["dst"]), engine, hw)


@instruction(0x41, (Engine.GPSIMD,))
class Iota(Instruction):
    """dst[p, i0, i1, i2, i3] = base + p * partition_step + sum(i * step)."""

    dst: ChipOut
    base: I32
    partition_step: I32
    step0: I32
    step1: I32
    step2: I32
    step3: I32

    @classmethod
    def seconds(cls, rows: np.ndarray, engine: Engine, hw: Generation) -> np.ndarray:
        """150 + N (3.2)."""
        return _chip(columns(rows["dst"]), engine, hw)


@instruction(0x48, (Engine.GPSIMD,))
class Library(Instruction):
    """Run entry `call` of the kernel's library table on whole HBM buffers (the long tail).

    `elements` is what the entry reads and writes, `work` its arithmetic operations.
    """

    call: U32
    elements: I64
    work: I64

    @classmethod
    def seconds(cls, rows: np.ndarray, engine: Engine, hw: Generation) -> np.ndarray:
        """150 + (elements + work) / partitions: one lane an element a cycle (3.1)."""
        return _chip((rows["elements"] + rows["work"]) / hw.partitions, engine, hw)


@instruction(0x50, DMA_QUEUES)
class DmaCopy(Instruction):
    """dst = src between any two memories, types equal; combined by `accumulate` if given."""

    dst: AddressOut
    src: Address
    accumulate: Function

    @classmethod
    def seconds(cls, rows: np.ndarray, engine: Engine, hw: Generation) -> np.ndarray:
        """max(0.87 us, bytes / bandwidth), short runs priced as the shortest efficient one."""
        return _dma(rows, hw)


@instruction(0x51, DMA_QUEUES)
class DmaGather(Instruction):
    """dst[i, ...] = src[index[i] * index_step + ...]; rows with a negative index are skipped."""

    dst: AddressOut
    src: Address
    index: Sbuf
    index_step: I64

    @classmethod
    def seconds(cls, rows: np.ndarray, engine: Engine, hw: Generation) -> np.ndarray:
        """As a copy of the rows gathered."""
        return _dma(rows, hw)


@instruction(0x52, DMA_QUEUES)
class DmaScatter(Instruction):
    """dst[index[i] * index_step + ...] = src[i, ...] in order of i, or combined by `accumulate`.

    Rows with a negative index are skipped. Rows are processed one after the other, so equal
    indices accumulate; hardware wants them unique (3.2, dma_compute).
    """

    dst: AddressOut
    src: Address
    index: Sbuf
    index_step: I64
    accumulate: Function

    @classmethod
    def seconds(cls, rows: np.ndarray, engine: Engine, hw: Generation) -> np.ndarray:
        """As a copy of the rows scattered; combining halves the rate (3.2)."""
        return _dma(rows, hw) * np.where(rows["accumulate"] != 0, 2, 1)


def _bytes(words: np.ndarray) -> np.ndarray:
    return ELEMENT_BYTES[words["dtype"]]


def _chip(cycles: np.ndarray, engine: Engine, hw: Generation) -> np.ndarray:
    """Seconds of `cycles` on a compute engine, never less than its minimum interval."""
    if engine is Engine.GPSIMD:
        return (hw.gpsimd_base_cycles + cycles) / hw.gpsimd_hz
    hz = hw.scalar_hz if engine is Engine.SCALAR else hw.vector_hz
    return np.maximum(cycles, hw.min_interval_cycles) / hz


def _one_input(rows: np.ndarray, engine: Engine, hw: Generation) -> np.ndarray:
    narrow = (_bytes(rows["dst"]) <= 2) & (_bytes(rows["src"]) <= 2)
    narrow &= (rows["dst"]["memory"] == Memory.SBUF) & (rows["src"]["memory"] == Memory.SBUF)
    speedup = np.where(narrow & (engine is Engine.VECTOR), hw.vector_16bit_speedup, 1)
    return _chip(columns(rows["dst"]) / speedup, engine, hw)


def dma_bytes(rows: np.ndarray) -> np.ndarray:
    """Bytes a DMA record moves."""
    words = rows["dst"] if "dst" in (rows.dtype.names or ()) else rows
    partitions = np.where(words["memory"] == Memory.HBM, 1, words["partitions"])
    return columns(words) * partitions * _bytes(words)


def _run_bytes(words: np.ndarray) -> np.ndarray:
    """Bytes of the contiguous run at the inner end of each access."""
    run = np.ones(len(words), np.int64)
    open_ = np.ones(len(words), np.bool_)
    for i in range(words["counts"].shape[1] - 1, -1, -1):
        count, step = words["counts"][:, i].astype(np.int64), words["steps"][:, i]
        open_ &= (count == 1) | (step == run)
        run = np.where(open_, run * count, run)
    return run * _bytes(words)


def _dma(rows: np.ndarray, hw: Generation) -> np.ndarray:
    # A gather reads and a scatter writes one row at a time: the other end has them all.
    size = np.maximum(dma_bytes(rows["dst"]), dma_bytes(rows["src"]))
    run = np.minimum(_run_bytes(rows["dst"]), _run_bytes(rows["src"]))
    waste = np.maximum(hw.dma_element_bytes_min / np.maximum(run, 1), 1.0)
    return np.maximum(size * waste / hw.dma_bytes_per_second, hw.dma_transfer_min_seconds)
