"""Move a window of a buffer to or from columns of a block, or count where nothing is stored.

    transfer(x[128, 8], column 4, window (%b, first 0, step 64), free ((2, 8),), store=False)
  becomes
    x[:, 4:12] = %b[p * 64 + 2 * c];  a DMA, or a cast where the buffer is on chip already

An access has only so many dimensions: a window with more goes in parts.
"""

from __future__ import annotations

from math import prod

from xdsl.ir import SSAValue

from neuronc.dialects.access import Affine
from neuronc.dtypes import BY_NAME
from neuronc.isa.operands import FREE_DIMENSIONS_MAX
from neuronc.passes.builder import Builder
from neuronc.passes.operand import Operand, Ref, hbm, shape_pairs


def transfer(
    b: Builder,
    ref: Ref,
    column: Affine,
    lanes: tuple[int, int],
    window: tuple[SSAValue, Affine, int],
    free: tuple[tuple[int, int], ...],
    store: bool,
) -> None:
    """DMA between columns of a block and a window of a buffer; a copy where that resides.

    `lanes` is (partition start, count), `window` the buffer, its first element and the step
    between partitions, `free` the (step, count) pairs that run along the columns.
    """
    buffer, base, step = window
    move = b.cast if buffer in b.residents else b.dma
    for shift, at, pairs in _at_most(free or ((1, 1),), FREE_DIMENSIONS_MAX):
        outside = _outside(b, buffer, base + shift, lanes, step, pairs)
        if outside is None:
            b.residents.rejected.add(buffer)
            return
        inside = ref.at(column + at, shape_pairs([n for _, n in pairs]), *lanes)
        move(*((outside, inside) if store else (inside, outside)))


def write_numbers(
    b: Builder,
    ref: Ref,
    lanes: tuple[int, int],
    base: Affine,
    step: int,
    free: tuple[tuple[int, int], ...],
) -> None:
    """Fill columns with base + partition * step + the free steps, in the block's type."""
    integer = BY_NAME["i32"]
    direct = ref.element is integer
    numbers = ref if direct else b.alloc(ref.partitions, ref.columns, integer)
    for shift, at, pairs in _at_most(free or ((1, 1),), FREE_DIMENSIONS_MAX):
        dst = numbers.at(at, shape_pairs([n for _, n in pairs]), *lanes)
        b.iota(dst, base + shift, step, [s for s, _ in pairs])
    if not direct:
        whole = ((1, ref.columns),)
        b.cast(ref.at(0, whole, *lanes), numbers.at(0, whole, *lanes))


def _outside(
    b: Builder,
    buffer: SSAValue,
    base: Affine,
    lanes: tuple[int, int],
    step: int,
    pairs: tuple[tuple[int, int], ...],
) -> Operand | None:
    """A window of a buffer in HBM, or on chip; None where partitions cannot follow it."""
    if buffer not in b.residents:
        return hbm(buffer, base, ((step, lanes[1]), *pairs))
    access = b.residents.access(buffer, base, lanes, step, pairs)
    return None if access is None else (buffer, access)


def _at_most(
    pairs: tuple[tuple[int, int], ...], limit: int
) -> list[tuple[int, int, tuple[tuple[int, int], ...]]]:
    """Split an access with too many pairs: (HBM shift, block column, pairs) of each part."""
    if len(pairs) <= limit:
        return [(0, 0, pairs)]
    (step, count), *inner = pairs
    size = prod(n for _, n in inner)
    return [
        (i * step + shift, i * size + column, rest)
        for i in range(count)
        for shift, column, rest in _at_most(tuple(inner), limit)
    ]
