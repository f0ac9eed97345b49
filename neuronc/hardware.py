"""Chip generations as data: one frozen literal each, units in the field names.

No code asks for a chip's name; a difference in behaviour is a field here. Sources are the sections
of the hardware reference (public AWS documents, restated); [P] published, [D] derived, [I] read off
a published figure.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Generation:
    """One core of one chip generation."""

    name: str
    core: str
    partitions: int
    """Rows of SBUF and PSUM, and rows and columns of the systolic array."""
    stationary_columns_max: int
    """Widest stationary operand of one matmul (M)."""
    matmul_columns_max: int
    """Widest moving operand of one matmul (N): one PSUM bank of float32."""
    sbuf_bytes_per_partition: int
    """What the compiler may use of a partition of SBUF."""
    psum_bytes_per_partition: int
    psum_bank_bytes: int
    hbm_bytes: int
    """HBM of one core: the chip's divided by its cores."""
    hbm_bytes_per_second: int
    tensor_hz: int
    vector_hz: int
    scalar_hz: int
    gpsimd_hz: int
    matmul_fp32_passes: int
    """How many times a float32 matmul occupies the array."""
    transpose_fp32_passes: int
    """The same for a float32 transpose."""
    matmul_min_columns: int
    """A shorter moving operand costs as much as this many columns."""
    min_interval_cycles: int
    """Shortest time between two instructions of one engine."""
    vector_16bit_speedup: int
    """tensor_scalar and copy on contiguous 16-bit SBUF operands run this much faster."""
    vector_16bit_pair_speedup: int
    """tensor_tensor on 16-bit SBUF operands runs this much faster."""
    gpsimd_base_cycles: int
    fixed_overhead_cycles: int
    """Pipeline latency of an instruction that another engine waits for."""
    dma_bytes_per_second: int
    """All DMA engines of the core together, as achieved."""
    dma_transfer_min_seconds: float
    """A 128-partition transfer never takes less."""
    dma_start_seconds: float
    """From a semaphore to the first byte."""
    dma_element_bytes_min: int
    """A descriptor shorter than this costs as much as one of this size."""


# 1.3: 128 x 16 KiB of PSUM in 8 banks of 2 KiB on every generation [P].
_ARRAY = 128  # 1.2: PE array 128 x 128 [P]
_BANK_FP32 = 512  # 1.3: one bank holds 512 fp32 [P]

TRN1 = Generation(
    name="trn1",
    core="NeuronCore-v2",
    partitions=_ARRAY,
    stationary_columns_max=_ARRAY,
    matmul_columns_max=_BANK_FP32,
    sbuf_bytes_per_partition=180_224,  # 1.3 [P]: 176 KiB of 192 are the compiler's
    psum_bytes_per_partition=16 * 1024,
    psum_bank_bytes=2 * 1024,
    hbm_bytes=16 * 1024**3,  # 1.1 [D]: 32 GiB for 2 cores
    hbm_bytes_per_second=410_000_000_000,  # 1.1 [D]
    tensor_hz=2_800_000_000,  # 1.2 [P]
    vector_hz=1_120_000_000,
    scalar_hz=1_400_000_000,
    gpsimd_hz=1_400_000_000,
    matmul_fp32_passes=4,  # 1.2 [D]: fp32 at a quarter of the rate
    transpose_fp32_passes=4,
    matmul_min_columns=64,  # 3.1 [P]
    min_interval_cycles=64,  # 3.1 [P]: MIN_II
    vector_16bit_speedup=1,  # 2.6: performance modes start with v3
    vector_16bit_pair_speedup=1,
    gpsimd_base_cycles=150,  # 3.1 [P]
    fixed_overhead_cycles=100,  # 3.1 [P]
    dma_bytes_per_second=272_000_000_000,  # 1.4 [P]: 16 engines x 17 B/ns
    dma_transfer_min_seconds=0.87e-6,  # 3.5 [D]
    dma_start_seconds=1.3e-6,  # 3.1 [P]
    dma_element_bytes_min=512,  # 3.5 [I]: below this the rate falls with the size
)

TRN2 = Generation(
    name="trn2",
    core="NeuronCore-v3",
    partitions=_ARRAY,
    stationary_columns_max=_ARRAY,
    matmul_columns_max=_BANK_FP32,
    sbuf_bytes_per_partition=212_984,  # 1.3 [P]
    psum_bytes_per_partition=16 * 1024,
    psum_bank_bytes=2 * 1024,
    hbm_bytes=12 * 1024**3,  # 1.1 [D]: 96 GiB for 8 cores
    hbm_bytes_per_second=362_000_000_000,  # 1.1 [D]
    tensor_hz=2_400_000_000,  # 1.2 [P]
    vector_hz=960_000_000,
    scalar_hz=1_200_000_000,
    gpsimd_hz=1_200_000_000,
    matmul_fp32_passes=4,
    transpose_fp32_passes=2,  # 2.6 [P]: transpose mode
    matmul_min_columns=64,
    min_interval_cycles=64,
    vector_16bit_speedup=4,  # 2.6 [P]
    vector_16bit_pair_speedup=2,  # 2.6 [P]
    gpsimd_base_cycles=150,
    fixed_overhead_cycles=100,
    dma_bytes_per_second=368_000_000_000,  # 1.4 [P]: 16 engines x 23 B/ns
    dma_transfer_min_seconds=0.87e-6,
    dma_start_seconds=1.3e-6,
    dma_element_bytes_min=512,
)

TRN3 = Generation(
    name="trn3",
    core="NeuronCore-v4",
    partitions=_ARRAY,
    stationary_columns_max=_ARRAY,
    matmul_columns_max=_BANK_FP32,  # 1.3 [P] allows all 8 banks; one bank is always legal
    sbuf_bytes_per_partition=245_752,  # 1.3 [P]
    psum_bytes_per_partition=16 * 1024,
    psum_bank_bytes=2 * 1024,
    hbm_bytes=18 * 1024**3,  # 1.1 [D]: 144 GiB for 8 cores
    hbm_bytes_per_second=587_000_000_000,  # 1.1 [D]
    tensor_hz=2_400_000_000,
    vector_hz=1_200_000_000,
    scalar_hz=1_200_000_000,
    gpsimd_hz=1_200_000_000,
    matmul_fp32_passes=4,
    transpose_fp32_passes=2,
    matmul_min_columns=64,
    min_interval_cycles=64,
    vector_16bit_speedup=4,
    vector_16bit_pair_speedup=2,
    gpsimd_base_cycles=150,
    fixed_overhead_cycles=100,
    dma_bytes_per_second=528_000_000_000,  # 1.4 [P]: 16 engines x 33 B/ns
    dma_transfer_min_seconds=0.87e-6,
    dma_start_seconds=1.3e-6,
    dma_element_bytes_min=512,
)

GENERATIONS = {hw.name: hw for hw in (TRN1, TRN2, TRN3)}
DEFAULT_TARGET = TRN2.name
