"""How much of SBUF the lowerings may plan with; what does not fit is streamed in chunks."""

from __future__ import annotations

from neuronc.hardware import Generation

BLOCK_COLUMNS = 1024
"""Free elements of an elementwise block: 2 KiB DMA runs and more (hardware.md 3.5)."""


def columns_max(values: int, element_bytes: int, hw: Generation) -> int:
    """Widest block of which `values` fit twice (double buffering) with a quarter to spare."""
    room = hw.sbuf_bytes_per_partition * 3 // 8
    return max(1, room // (max(values, 1) * element_bytes))
