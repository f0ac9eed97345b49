"""The instructions: layout, meaning and price of each in one place.

Shapes: P partitions, C columns, K contraction, M/N the result of a matmul. Costs are the formulas
of the hardware reference, section 3.2, in cycles of the executing engine; `prices` has what they
share.
The vector, scalar and gpsimd engines compute floats in float32 and round once to the type of
`dst`; integers are exact on gpsimd (2.2).
"""

from __future__ import annotations

import numpy as np

from neuronc.hardware import Generation
from neuronc.isa.operands import Memory, columns
from neuronc.isa.prices import (
    contiguous,
    dma_seconds,
    element_bytes,
    function_cycles,
    in_memory,
    narrow,
    one_input_speedup,
    seconds_on,
    stride_factor,
)
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
from neuronc.numerics import FUNCTIONS, REDUCTIONS

_SUMS = tuple(FUNCTIONS[name].code for name in ("add", "multiply", "subtract"))
_HALVED = tuple(REDUCTIONS[name].code for name in ("add", "maximum", "minimum"))


@instruction(0x10, (Engine.TENSOR,))
class MatMul(Instruction):
    """dst[M, N] = stationary[K, M].T @ moving[K, N] in float32, added to dst if `accumulate`."""

    dst: PsumOut
    stationary: Sbuf
    moving: Sbuf
    accumulate: U8

    @classmethod
    def seconds(cls, rows: np.ndarray, engine: Engine, hw: Generation) -> np.ndarray:
        """max(N, min(64, M), M / 4 to load `stationary`), float32 four times, and 14 (3.1, 3.2)."""
        passes = np.where(element_bytes(rows["moving"]) >= 4, hw.matmul_fp32_passes, 1)
        stationary = columns(rows["stationary"])
        moving = columns(rows["moving"]) * stride_factor(hw, rows["moving"])
        floor = np.minimum(stationary, hw.matmul_min_columns)
        load = stationary / hw.stationary_load_speedup
        cycles = np.maximum(np.maximum(moving, floor), load) * passes
        return (cycles + hw.matmul_overhead_cycles) / hw.tensor_hz


@instruction(0x11, (Engine.TENSOR,))
class Transpose(Instruction):
    """dst[C, P] = src[P, C].T, bits unchanged: a matmul in transpose mode."""

    dst: PsumOut
    src: Sbuf

    @classmethod
    def seconds(cls, rows: np.ndarray, engine: Engine, hw: Generation) -> np.ndarray:
        """max(P, min(64, C)) columns (3.2); 32-bit elements pass more than once (2.6); and 14."""
        passes = np.where(element_bytes(rows["src"]) >= 4, hw.transpose_fp32_passes, 1)
        floor = np.minimum(columns(rows["src"]), hw.matmul_min_columns)
        cycles = np.maximum(rows["src"]["partitions"], floor) * passes / hw.transpose_speedup
        return (cycles + hw.matmul_overhead_cycles) / hw.tensor_hz


@instruction(0x20, (Engine.VECTOR, Engine.GPSIMD))
class TensorTensor(Instruction):
    """dst[P, C] = function(lhs[P, C], rhs[P, C])."""

    dst: ChipOut
    lhs: Chip
    rhs: Chip
    function: Function

    @classmethod
    def seconds(cls, rows: np.ndarray, engine: Engine, hw: Generation) -> np.ndarray:
        """2N; N with an operand in PSUM, or for sums and products of 16 bits (3.2); division 8N.

        From v3 on, 16-bit operands in SBUF run twice as fast on the vector engine (2.6).
        """
        dst, lhs, rhs, function = (rows[n] for n in ("dst", "lhs", "rhs", "function"))
        sbuf = in_memory(Memory.SBUF, lhs, rhs)
        small = sbuf & narrow(dst, lhs, rhs)
        whole = contiguous(dst) & contiguous(lhs) & contiguous(rhs)
        single = ~sbuf | (small & whole & np.isin(function, _SUMS))
        speedup = hw.vector_16bit_pair_speedup if engine is Engine.VECTOR else 1
        cycles = np.where(single, 1, 2) / np.where(small, speedup, 1)
        cycles = _at_least(cycles, function_cycles(function, engine, hw))
        return seconds_on(columns(dst) * cycles * stride_factor(hw, dst, lhs, rhs), engine, hw)


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
        """N; two functions cost the same as one, division 8N; 16 bits run faster (3.2, 2.6)."""
        both = (function_cycles(rows[n], engine, hw) for n in ("function0", "function1"))
        return _one_input(rows, np.maximum(*both), engine, hw)


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
        """2N; N for (src - a) * tensor in 16 bits (3.2); division 8N."""
        dst, src, tensor = (rows[n] for n in ("dst", "src", "tensor"))
        fast = narrow(dst, src, tensor) & (columns(dst) % 2 == 0)
        fast &= (rows["function0"] == FUNCTIONS["subtract"].code) & (rows["reverse0"] == 0)
        fast &= rows["function1"] == FUNCTIONS["multiply"].code
        both = (function_cycles(rows[n], engine, hw) for n in ("function0", "function1"))
        cycles = _at_least(np.where(fast, 1, 2), np.maximum(*both))
        return seconds_on(columns(dst) * cycles * stride_factor(hw, dst, src, tensor), engine, hw)


@instruction(0x23, (Engine.VECTOR, Engine.GPSIMD))
class TensorReduce(Instruction):
    """dst[P, ...] = src reduced by `function` over its `axes` last free dimensions."""

    dst: ChipOut
    src: Chip
    function: Function
    axes: U8

    @classmethod
    def seconds(cls, rows: np.ndarray, engine: Engine, hw: Generation) -> np.ndarray:
        """N of the source; N / 2 for 16-bit sums and extremes on the vector engine (3.2)."""
        dst, src = rows["dst"], rows["src"]
        fast = narrow(dst, src) & np.isin(rows["function"], _HALVED) & (engine is Engine.VECTOR)
        cycles = columns(src) * stride_factor(hw, src)
        return seconds_on(cycles / np.where(fast, 2, 1), engine, hw)


@instruction(0x24, (Engine.VECTOR, Engine.GPSIMD))
class Select(Instruction):
    """dst = on_true where predicate else on_false, bits unchanged."""

    dst: ChipOut
    predicate: Chip
    on_true: Chip
    on_false: Chip

    @classmethod
    def seconds(cls, rows: np.ndarray, engine: Engine, hw: Generation) -> np.ndarray:
        """2N, N with a source in PSUM, as tensor_copy_predicated (3.2)."""
        sources = [rows[n] for n in ("predicate", "on_true", "on_false")]
        cycles = np.where(in_memory(Memory.SBUF, *sources), 2, 1)
        factor = stride_factor(hw, rows["dst"], *sources)
        return seconds_on(columns(rows["dst"]) * cycles * factor, engine, hw)


@instruction(0x25, (Engine.VECTOR, Engine.SCALAR, Engine.GPSIMD))
class Copy(Instruction):
    """dst = src, cast by the rules of StableHLO's convert where the types differ."""

    dst: ChipOut
    src: Chip

    @classmethod
    def seconds(cls, rows: np.ndarray, engine: Engine, hw: Generation) -> np.ndarray:
        """N; 16 bits run faster (3.2, 2.6)."""
        return _one_input(rows, np.ones(len(rows), np.int64), engine, hw)


@instruction(0x26, (Engine.VECTOR, Engine.GPSIMD))
class Memset(Instruction):
    """dst = value."""

    dst: ChipOut
    value: F64

    @classmethod
    def seconds(cls, rows: np.ndarray, engine: Engine, hw: Generation) -> np.ndarray:
        """N; N / 2 for zeros of 16 bits on the vector engine (3.2)."""
        fast = narrow(rows["dst"]) & (rows["value"] == 0) & (engine is Engine.VECTOR)
        cycles = columns(rows["dst"]) * stride_factor(hw, rows["dst"])
        return seconds_on(cycles / np.where(fast, 2, 1), engine, hw)


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
        """N, and 64 to read the accumulator out (3.1, 3.2).

        When the function needs tables that are not loaded, the timeline adds their loading.
        """
        dst, src = rows["dst"], rows["src"]
        summed = rows["row_sum"]["memory"] != Memory.NONE
        readout = np.where(summed, hw.accumulator_read_cycles / hw.scalar_hz, 0.0)
        return seconds_on(columns(dst) * stride_factor(hw, dst, src), engine, hw) + readout


@instruction(0x40, (Engine.GPSIMD,))
class Elementwise(Instruction):
    """dst = function(src): what the scalar engine has no table for, as a gpsimd kernel."""

    dst: ChipOut
    src: Chip
    function: Function

    @classmethod
    def seconds(cls, rows: np.ndarray, engine: Engine, hw: Generation) -> np.ndarray:
        """150 + N, 4N where the function is a series or an iteration (3.1, 3.2)."""
        cycles = function_cycles(rows["function"], engine, hw)
        return seconds_on(columns(rows["dst"]) * cycles, engine, hw)


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
        return seconds_on(columns(rows["dst"]), engine, hw)


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
        return seconds_on((rows["elements"] + rows["work"]) / hw.partitions, engine, hw)


@instruction(0x50, DMA_QUEUES)
class DmaCopy(Instruction):
    """dst = src between any two memories, types equal; combined by `accumulate` if given."""

    dst: AddressOut
    src: Address
    accumulate: Function

    @classmethod
    def seconds(cls, rows: np.ndarray, engine: Engine, hw: Generation) -> np.ndarray:
        """Each contiguous run max(40 ns, bytes / rate), spread over 16 engines (3.5).

        The rate is lower in the first KiB of a run. The timeline adds what is latency.
        """
        slower = np.where(rows["accumulate"] != 0, hw.dma_compute_slowdown, 1)
        return dma_seconds(rows, hw) * slower


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
        return dma_seconds(rows, hw)


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
        """As a copy of the rows scattered; combining halves the rate before v4 (3.2)."""
        slower = np.where(rows["accumulate"] != 0, hw.dma_compute_slowdown, 1)
        return dma_seconds(rows, hw) * slower


def _at_least(cycles: np.ndarray, special: np.ndarray) -> np.ndarray:
    """Cycles a column of an operation whose function may be slow by itself; 1 is any plain one."""
    return np.where(special > 1, np.maximum(cycles, special), cycles)


def _one_input(rows: np.ndarray, special: np.ndarray, engine: Engine, hw: Generation) -> np.ndarray:
    """Seconds of N columns of one block, by mode and function."""
    dst, src = rows["dst"], rows["src"]
    cycles = _at_least(1 / one_input_speedup(dst, src, engine, hw), special)
    return seconds_on(columns(dst) * cycles * stride_factor(hw, dst, src), engine, hw)
