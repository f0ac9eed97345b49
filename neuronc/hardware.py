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
    array_tile: int
    """Rows of the array that a matmul of fewer may start at: a multiple of these."""
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
    matmul_overhead_cycles: int
    """Between two matmuls, beside the columns."""
    stationary_load_speedup: int
    """Loading a stationary column takes this fraction of multiplying a moving one."""
    transpose_speedup: int
    """Chains of transposes run this much faster than the formula of the first generation."""
    vector_16bit_speedup: int
    """tensor_scalar and copy on contiguous 16-bit SBUF operands run this much faster."""
    vector_16bit_loose_speedup: int
    """The same where an operand is not contiguous, or one is in PSUM."""
    vector_16bit_pair_speedup: int
    """tensor_tensor on 16-bit SBUF operands runs this much faster."""
    scalar_16bit_speedup: int
    """The same for tensor_scalar and copy on the scalar engine."""
    vector_reciprocal_cycles: int
    """Of one reciprocal or division on the vector engine."""
    wide_stride_bytes: int
    """A longer step from element to element halves the rate of an on-chip operand."""
    accumulator_read_cycles: int
    """To read the scalar engine's accumulator out."""
    gpsimd_base_cycles: int
    gpsimd_function_cycles: int
    """Of one transcendental function on gpsimd."""
    fixed_overhead_cycles: int
    """From an instruction's last element until another engine, or a dependent one, may start."""
    scalar_overhead_cycles: int
    """The same for the scalar engine."""
    activation_table_seconds: float
    """To load the tables of another set of functions into the scalar engine."""
    ramp_seconds: float
    """After idling, the tensor engine runs at half rate for this long (dI/dt)."""
    dma_engines: int
    """They share the descriptors, that is the contiguous runs, of a transfer."""
    dma_bytes_per_second: int
    """All DMA engines of the core together, in long runs, as achieved."""
    dma_short_bytes_per_second: int
    """The same within the first `dma_short_run_bytes` of every run."""
    dma_short_run_bytes: int
    dma_descriptor_seconds: float
    """A descriptor keeps one engine busy at least this long."""
    dma_packet_bytes: int
    """One long run is split into packets of this size, to spread over the engines."""
    dma_compute_slowdown: int
    """A transfer that combines with what is at its destination takes this much longer."""
    dma_transfer_min_seconds: float
    """From first to last byte, a transfer takes at least this; others may run beside it."""
    dma_start_seconds: float
    """From a semaphore to the first byte."""
    dma_done_seconds: float
    """From the last byte until an engine that waits for it starts."""

    def __hash__(self) -> int:
        """By name: prices are looked up by generation all the time, and it has many fields."""
        return hash(self.name)


# 1.3: 128 x 16 KiB of PSUM in 8 banks of 2 KiB on every generation [P].
_ARRAY = 128  # 1.2: PE array 128 x 128 [P]
_BANK_FP32 = 512  # 1.3: one bank holds 512 fp32 [P]

TRN1 = Generation(
    name="trn1",
    core="NeuronCore-v2",
    partitions=_ARRAY,
    stationary_columns_max=_ARRAY,
    array_tile=64,  # 3.2 [P]: row tiles
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
    matmul_overhead_cycles=14,  # 3.1 [I]: 2,062 cycles for 4 x 512 columns
    stationary_load_speedup=4,  # 3.1 [P]
    transpose_speedup=1,
    vector_16bit_speedup=1,  # 2.6: performance modes start with v3
    vector_16bit_loose_speedup=1,
    vector_16bit_pair_speedup=1,
    scalar_16bit_speedup=1,
    vector_reciprocal_cycles=8,  # 3.2 [P]
    wide_stride_bytes=16,  # 3.1 [P]
    accumulator_read_cycles=64,  # 3.1 [P]
    gpsimd_base_cycles=150,  # 3.1 [P]
    gpsimd_function_cycles=4,  # 3.2 [P]: rsqrt takes 4 times the scalar engine's
    fixed_overhead_cycles=100,  # 3.1 [P]
    scalar_overhead_cycles=200,  # 3.1 [P]: 264 cycles of a dependent one, less MIN_II
    activation_table_seconds=1.28e-6,  # 2.2 [I], of trn2
    ramp_seconds=3e-6,  # 1.2 [P]
    dma_engines=16,  # 1.4 [P]
    dma_bytes_per_second=272_000_000_000,  # 1.4 [P]: 16 engines x 17 B/ns
    dma_short_bytes_per_second=104_000_000_000,  # 7.1 rows 1 and 2 [D]: runs up to 1 KiB
    dma_short_run_bytes=1024,
    dma_descriptor_seconds=40e-9,  # 7.1 rows 2 and 3 [D]: runs of 256 B and 512 B
    dma_packet_bytes=4096,  # 3.5 [P]
    dma_compute_slowdown=2,  # 3.2 [P]
    dma_transfer_min_seconds=0.87e-6,  # 3.5 [D]
    dma_start_seconds=1.3e-6,  # 3.1 [P]
    dma_done_seconds=0.3e-6,  # 3.5 [I], of trn2
)

TRN2 = Generation(
    name="trn2",
    core="NeuronCore-v3",
    partitions=_ARRAY,
    stationary_columns_max=_ARRAY,
    array_tile=32,  # 3.2 [P]: row tiles
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
    matmul_overhead_cycles=14,  # 3.1 [I]: 2,062 cycles for 4 x 512 columns
    stationary_load_speedup=4,  # 3.1 [P]
    transpose_speedup=1,
    vector_16bit_speedup=4,  # 2.6 [P]
    vector_16bit_loose_speedup=2,  # 2.6 [P]
    vector_16bit_pair_speedup=2,  # 2.6 [P]
    scalar_16bit_speedup=1,
    vector_reciprocal_cycles=8,
    wide_stride_bytes=16,
    accumulator_read_cycles=64,
    gpsimd_base_cycles=150,
    gpsimd_function_cycles=4,
    fixed_overhead_cycles=100,
    scalar_overhead_cycles=355,  # 3.1 [I]
    activation_table_seconds=1.28e-6,  # 2.2 [I]
    ramp_seconds=3e-6,  # 1.2 [P]
    dma_engines=16,
    dma_bytes_per_second=368_000_000_000,  # 1.4 [P]: 16 engines x 23 B/ns
    dma_short_bytes_per_second=254_000_000_000,  # 3.5 [D]: 81 % at 2 KiB, see `docs/profile.md`
    dma_short_run_bytes=1024,
    dma_descriptor_seconds=40e-9,
    dma_packet_bytes=4096,
    dma_compute_slowdown=2,
    dma_transfer_min_seconds=0.87e-6,
    dma_start_seconds=1.3e-6,
    dma_done_seconds=0.3e-6,  # 3.5 [I]
)

TRN3 = Generation(
    name="trn3",
    core="NeuronCore-v4",
    partitions=_ARRAY,
    stationary_columns_max=_ARRAY,
    array_tile=32,
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
    matmul_overhead_cycles=14,  # 3.1 [I]: 2,062 cycles for 4 x 512 columns
    stationary_load_speedup=4,  # 3.1 [P]
    transpose_speedup=2,  # 2.6 [P]: background transpose
    vector_16bit_speedup=4,  # 2.6 [P]
    vector_16bit_loose_speedup=2,  # 2.6 [P]
    vector_16bit_pair_speedup=2,  # 2.6 [P]
    scalar_16bit_speedup=2,  # 2.6 [P]
    vector_reciprocal_cycles=8,
    wide_stride_bytes=16,
    accumulator_read_cycles=64,
    gpsimd_base_cycles=150,
    gpsimd_function_cycles=4,
    fixed_overhead_cycles=100,
    scalar_overhead_cycles=355,  # 3.1 [I]
    activation_table_seconds=1.28e-6,  # 2.2 [I]
    ramp_seconds=3e-6,  # 1.2 [P]
    dma_engines=16,
    dma_bytes_per_second=528_000_000_000,  # 1.4 [P]: 16 engines x 33 B/ns
    dma_short_bytes_per_second=364_000_000_000,  # as on trn2, by the rate of long runs
    dma_short_run_bytes=1024,
    dma_descriptor_seconds=40e-9,
    dma_packet_bytes=4096,
    dma_compute_slowdown=1,  # 1.3 [P]: near-memory add
    dma_transfer_min_seconds=0.87e-6,
    dma_start_seconds=1.3e-6,
    dma_done_seconds=0.3e-6,  # 3.5 [I]
)

GENERATIONS = {hw.name: hw for hw in (TRN1, TRN2, TRN3)}
DEFAULT_TARGET = TRN2.name
