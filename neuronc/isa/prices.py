"""The rules that the prices of instructions share; numbers are in `hardware.py`, with sources.

N is columns, that is elements per partition. Sections are of the hardware reference.
"""

from __future__ import annotations

import numpy as np

from neuronc.hardware import Generation
from neuronc.isa.operands import ELEMENT_BYTES, Memory, columns
from neuronc.isa.table import Engine
from neuronc.numerics import FUNCTIONS, REDUCTIONS

_DIVISIONS = ("divide", "remainder")
_PLAIN = frozenset(
    (
        *("abs", "add", "and", "ceil", "clamp", "complex", "conj", "count_leading_zeros"),
        *("eq", "eq_total", "floor", "ge", "ge_total", "gt", "gt_total", "imag"),
        *("is_finite", "is_inf", "is_neg_inf", "is_pos_inf", "le", "le_total", "lt", "lt_total"),
        *("maximum", "minimum", "mulhi", "multiply", "ne", "ne_total", "negate", "next_after"),
        *("not", "or", "popcnt", "real", "round_nearest_afz", "round_nearest_even", "select"),
        *("shift_left", "shift_right_arithmetic", "shift_right_logical", "sign", "square"),
        *("subtract", "xor"),
    )
)
"""Functions of a few operations of an ALU; every other one is a series or an iteration."""
_TABLE_SETS = (
    ("exponential", "log", "mish", "softplus"),
    ("erf", "gelu", "gelu_sigmoid", "gelu_tanh", "logistic", "silu", "tanh"),
    ("rsqrt", "sqrt"),
    ("sine", "cosine"),
)
"""Functions whose tables are loaded together. Two such sets are known by name (2.2); these are
ours. A function that is plain is in every set, and one that is not here is alone in its own."""


def _codes(names: tuple[str, ...] | frozenset[str]) -> np.ndarray:
    """A mask over the codes of functions: whether each is in `names`."""
    mask = np.zeros(256, np.bool_)
    mask[[FUNCTIONS[name].code for name in names]] = True
    return mask


_IS_DIVISION, _IS_PLAIN = _codes(_DIVISIONS), _codes(_PLAIN)
_IS_PLAIN[[0, *(row.code for row in REDUCTIONS.values())]] = True
_SET_OF = np.where(_IS_PLAIN, 0, np.arange(256))
for _names in _TABLE_SETS:
    _SET_OF[_codes(_names)] = FUNCTIONS[_names[0]].code


def table_sets(functions: np.ndarray) -> np.ndarray:
    """The set of tables that each function needs; 0 is none."""
    return _SET_OF[functions]


def element_bytes(words: np.ndarray) -> np.ndarray:
    """Bytes of one element of each operand."""
    return ELEMENT_BYTES[words["dtype"]]


def function_cycles(functions: np.ndarray, engine: Engine, hw: Generation) -> np.ndarray:
    """Cycles a column for each function, where 1 is the price of an addition."""
    if engine is Engine.VECTOR:
        return np.where(_IS_DIVISION[functions], hw.vector_reciprocal_cycles, 1)
    return np.where(_IS_PLAIN[functions], 1, hw.gpsimd_function_cycles)


def contiguous(words: np.ndarray) -> np.ndarray:
    """Whether each operand's elements of a partition lie one after the other."""
    return run_bytes(words) == columns(words) * element_bytes(words)


def run_bytes(words: np.ndarray) -> np.ndarray:
    """Bytes of the contiguous run at the inner end of each access."""
    run = np.ones(len(words), np.int64)
    open_ = np.ones(len(words), np.bool_)
    for i in range(words["counts"].shape[1] - 1, -1, -1):
        count, step = words["counts"][:, i].astype(np.int64), words["steps"][:, i]
        open_ &= (count == 1) | (step == run)
        run = np.where(open_, run * count, run)
    return run * element_bytes(words)


def narrow(*operands: np.ndarray) -> np.ndarray:
    """Whether the elements of all operands have 16 bits or fewer."""
    return np.logical_and.reduce([element_bytes(words) <= 2 for words in operands])


def in_memory(memory: Memory, *operands: np.ndarray) -> np.ndarray:
    """Whether all operands are in `memory`."""
    return np.logical_and.reduce([words["memory"] == memory for words in operands])


def stride_factor(hw: Generation, *operands: np.ndarray) -> np.ndarray:
    """2 where the innermost step of an operand is long, which halves the interface's rate (3.1)."""
    wide = [_innermost_bytes(words) > hw.wide_stride_bytes for words in operands]
    return np.where(np.logical_or.reduce(wide), 2, 1)


def _innermost_bytes(words: np.ndarray) -> np.ndarray:
    """Bytes between neighbouring elements, either way; 0 where there is one element."""
    many = words["counts"] > 1
    last = many.shape[1] - 1 - np.argmax(many[:, ::-1], axis=1)
    step = np.abs(words["steps"][np.arange(len(words)), last].astype(np.int64))
    return np.where(many.any(axis=1), step, 0) * element_bytes(words)


def seconds_on(cycles: np.ndarray, engine: Engine, hw: Generation) -> np.ndarray:
    """Seconds of `cycles` on a compute engine, never less than its minimum interval."""
    if engine is Engine.GPSIMD:
        return (hw.gpsimd_base_cycles + cycles) / hw.gpsimd_hz
    hz = hw.scalar_hz if engine is Engine.SCALAR else hw.vector_hz
    return np.maximum(cycles, hw.min_interval_cycles) / hz


def one_input_speedup(
    dst: np.ndarray, src: np.ndarray, engine: Engine, hw: Generation
) -> np.ndarray:
    """Performance modes of copy and tensor_scalar (2.6)."""
    small = narrow(dst, src)
    if engine is Engine.SCALAR:
        return np.where(small, hw.scalar_16bit_speedup, 1)
    if engine is not Engine.VECTOR:
        return np.ones(len(dst), np.int64)
    whole, on_chip = contiguous(dst) & contiguous(src), in_memory(Memory.SBUF, dst, src)
    some = in_memory(Memory.SBUF, dst) | in_memory(Memory.SBUF, src)
    loose = small & (on_chip | (whole & some))
    speedup = np.where(loose, hw.vector_16bit_loose_speedup, 1)
    return np.where(small & whole & on_chip, hw.vector_16bit_speedup, speedup)


def dma_bytes(rows: np.ndarray) -> np.ndarray:
    """Bytes a DMA record moves."""
    words = rows["dst"] if "dst" in (rows.dtype.names or ()) else rows
    partitions = np.where(words["memory"] == Memory.HBM, 1, words["partitions"])
    return columns(words) * partitions * element_bytes(words)


def dma_seconds(rows: np.ndarray, hw: Generation) -> np.ndarray:
    """How long each transfer keeps the DMA engines busy.

    Each contiguous run is one descriptor, whose first KiB moves slower than the rest; descriptors
    spread over the engines, and a long run over packets (3.5).
    """
    # A gather reads and a scatter writes one row at a time: the other end has them all.
    size = np.maximum(np.maximum(dma_bytes(rows["dst"]), dma_bytes(rows["src"])), 1)
    run = np.clip(np.minimum(run_bytes(rows["dst"]), run_bytes(rows["src"])), 1, size)
    short = np.minimum(run, hw.dma_short_run_bytes)
    moving = short / hw.dma_short_bytes_per_second + (run - short) / hw.dma_bytes_per_second
    descriptor = np.maximum(moving * hw.dma_engines, hw.dma_descriptor_seconds)
    pieces = np.maximum(size // run, -(-size // hw.dma_packet_bytes))
    return descriptor * (size / run) / np.minimum(pieces, hw.dma_engines)
