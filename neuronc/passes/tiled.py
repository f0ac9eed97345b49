"""What kernels are as tiles, for passes that must know before `tile-kernels` puts it there.

    keep-resident   tiles a kernel to see that it fits with what it keeps on chip
    plan            whether the tiles may write a result over an operand
    tile-kernels    the tiles themselves

Tiling is the longest step of most compilations, and each of these wants the same tiles. A kernel's
are remembered until anything in it has changed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from neuronc.dialects.program import KernelOp as ProgramKernel
from neuronc.dialects.tile import KernelOp
from neuronc.hardware import Generation
from neuronc.passes.lower_kernel import lower_kernel


@dataclass(frozen=True)
class _Known:
    state: object
    """What the tiles were made of."""
    hw: Generation
    tiles: KernelOp


@dataclass(eq=False)
class Tiled:
    """The tiles of a module's kernels."""

    _made: dict[ProgramKernel, _Known] = field(default_factory=dict[ProgramKernel, _Known])

    def of(self, kernel: ProgramKernel, hw: Generation) -> KernelOp:
        """The tiles of a kernel, to be looked at and not to be changed."""
        state, known = _state(kernel), self._made.get(kernel)
        if known is None or known.state != state or known.hw is not hw:
            known = self._made[kernel] = _Known(state, hw, lower_kernel(kernel, hw))
        return known.tiles

    def take(self, kernel: ProgramKernel, hw: Generation) -> KernelOp:
        """The same to keep and change, no longer remembered here."""
        tiles = self.of(kernel, hw)
        del self._made[kernel]
        return tiles


def _state(kernel: ProgramKernel) -> object:
    """What differs after any change to a kernel: its ops, what they read, what they say."""
    return [(op, *op.operands, *op.attributes.items()) for op in kernel.walk()]
