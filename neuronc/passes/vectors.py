"""Move a vector of HBM to the partitions of a block and back: P elements a column, as rows of P.

    ref[i % P, i // P] = buffer[i]
  becomes
    load rows[n, P];  psum = rows.T;  ref = psum

One element to a partition is one descriptor of DMA, of which each takes as long as a run of 600
bytes; a row of P elements is one as well. The tensor engine transposes up to P rows at once. What
is loaded so passes two engines more; it pays where single elements would keep the DMA engines busy
for longer than two transfers at least take.
"""

from __future__ import annotations

from collections.abc import Iterator

from xdsl.ir import SSAValue

from neuronc.dtypes import ElementType
from neuronc.hardware import Generation
from neuronc.passes.builder import Builder
from neuronc.passes.operand import Ref, hbm
from neuronc.passes.prices import dma_seconds

_TURNED = ("f32", "bf16", "f16")
"""What the tensor engine transposes."""


def load_vector(
    b: Builder, hw: Generation, ref: Ref, window: tuple[SSAValue, int, int], size: int
) -> None:
    """Elements of a window (buffer, offset, step) to the columns of a block."""
    lanes, (buffer, offset, step) = ref.partitions, window
    whole, rest = divmod(size, lanes)
    if step == 1 and _is_long(whole, lanes, ref.element, hw):
        for start, count in _groups(whole, lanes):
            rows = b.alloc(count, lanes, ref.element)
            psum = b.alloc(lanes, count, ref.element, "psum")
            b.dma(rows.all(), hbm(buffer, offset + start * lanes, ((lanes, count), (1, lanes))))
            b.transpose(psum.all(), rows.all())
            b.cast(ref.at(start, ((1, count),)), psum.all())
    elif whole:
        pairs = ((step, lanes), (step * lanes, whole))
        b.dma(ref[((1, whole),)], hbm(buffer, offset, pairs))
    if rest:
        last = hbm(buffer, offset + whole * lanes * step, ((step, rest), (1, 1)))
        b.dma(ref.at(whole, ((1, 1),), 0, rest), last)


def _is_long(columns: int, lanes: int, element: ElementType, hw: Generation) -> bool:
    """Whether that many columns are better loaded as rows."""
    if not columns or element.name not in _TURNED:
        return False
    seconds = dma_seconds(lanes, columns, 1, element.bytes, hw)
    return seconds > 2 * hw.dma_transfer_min_seconds


def can_store(size: int, lanes: int, element: str) -> bool:
    """Whether `store_vector` is for a vector of this size, on so many partitions."""
    return size > lanes and element in _TURNED


def store_vector(b: Builder, ref: Ref, buffer: SSAValue, offset: int, size: int) -> None:
    """The columns of a block to the elements of a buffer from `offset` on."""
    lanes = ref.partitions
    whole, rest = divmod(size, lanes)
    pieces = [(start, count, lanes) for start, count in _groups(whole, lanes)]
    for start, count, width in [*pieces, *([(whole, 1, rest)] if rest else [])]:
        psum = b.alloc(count, width, ref.element, "psum")
        rows = b.alloc(count, width, ref.element)
        b.transpose(psum.all(), ref.at(start, ((1, count),), 0, width))
        b.cast(rows.all(), psum.all())
        b.dma(hbm(buffer, offset + start * lanes, ((lanes, count), (1, width))), rows.all())


def _groups(count: int, most: int) -> Iterator[tuple[int, int]]:
    """(start, size) of what is transposed at once."""
    return ((start, min(most, count - start)) for start in range(0, count, most))
