"""Values that live in blocks on chip for a whole kernel, and what of them a window reaches.

Lowerings read and write them as they do buffers in HBM, by elements; where those lie, their
`Layout` says. What it has no access for is rejected: that value cannot stay on chip.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from xdsl.ir import SSAValue

from neuronc.dialects.access import Access, Affine
from neuronc.passes.iteration import merge_pairs
from neuronc.passes.layout import Layout
from neuronc.passes.loops import Loops
from neuronc.passes.operand import Ref


@dataclass(frozen=True)
class Resident:
    """A value that lives in a block on chip for the whole kernel, instead of in HBM."""

    ref: Ref
    layout: Layout


class Residents:
    """The residents of a kernel, by the block that stands where the buffer would."""

    def __init__(self, loops: Loops) -> None:
        self._loops = loops
        self._residents: dict[SSAValue, Resident] = {}
        self.rejected: set[SSAValue] = set()
        """Blocks that something reaches into in a way that no access describes."""

    def add(self, ref: Ref, layout: Layout) -> None:
        """Have a value live in a block."""
        self._residents[ref.value] = Resident(ref, layout)

    def __contains__(self, buffer: SSAValue) -> bool:
        """Whether it is on chip; else in HBM."""
        return buffer in self._residents

    def layout_of(self, buffer: SSAValue) -> Layout | None:
        """How a resident lies on chip; None for a buffer in HBM."""
        found = self._residents.get(buffer)
        return found.layout if found else None

    def access(
        self,
        buffer: SSAValue,
        base: Affine,
        lanes: tuple[int, int],
        step: int,
        free: tuple[tuple[int, int], ...],
    ) -> Access | None:
        """Where a window of a resident lies; None where partitions cannot follow it.

        The arguments are `transfer`'s.
        """
        layout = self._residents[buffer].layout
        return layout.access(base, lanes, step, free, self._loops.counts)

    def window(
        self,
        buffer: SSAValue,
        base: Affine,
        lanes: tuple[int, int],
        step: int,
        free: tuple[tuple[int, int], ...],
    ) -> Ref | None:
        """A resident's columns behind a window of its buffer, where they are one dense run.

        None also where `buffer` is in HBM.
        """
        found = self._residents.get(buffer)
        if found is None:
            return None
        inside = self.access(buffer, base, lanes, step, free)
        size = prod(n for _, n in free)
        if inside is None or lanes[0] or merge_pairs(inside.pairs) not in ((), ((1, size),)):
            return None
        return Ref(buffer, lanes[1], size, found.ref.element, inside.offset)
