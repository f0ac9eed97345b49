"""Move a vector of HBM to the partitions of a block and back: P elements a column, as rows of P.

    ref[i % P, i // P] = buffer[i]
  becomes
    load rows[n, P];  psum = rows.T;  ref = psum

One element to a partition is one descriptor of DMA, of which each takes as long as a run of 600
bytes; a row of P elements is one as well. The tensor engine transposes up to P rows at once.
"""

from __future__ import annotations

from collections.abc import Iterator

from xdsl.ir import SSAValue

from neuronc.passes.builder import Builder, Ref, hbm

_TURNED = ("f32", "bf16", "f16")
"""What the tensor engine transposes."""


def load_vector(b: Builder, ref: Ref, buffer: SSAValue, offset: int, step: int, size: int) -> None:
    """Elements `offset`, `offset + step`, ... of a buffer to the columns of a block."""
    lanes = ref.partitions
    whole, rest = divmod(size, lanes)
    if step == 1 and whole > 1 and ref.element.name in _TURNED:
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
