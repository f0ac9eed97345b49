"""Put every kernel of the module as tiles in its place.

    program.kernel @map_0 { tanh }
  becomes
    tile.kernel @map_0 { for 128 rows { load, map tanh, store } }

How each kind is tiled is in `lower_kernel`. Passes before this one may have tiled a kernel to see
what becomes of it; what they saw is what is put here.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from neuronc.dialects.program import KernelOp
from neuronc.hardware import DEFAULT_TARGET, GENERATIONS
from neuronc.passes.tiled import Tiled


@dataclass(frozen=True)
class TileKernels(ModulePass):
    """program.kernel to tile.kernel."""

    name = "tile-kernels"

    target: str = DEFAULT_TARGET
    tiled: Tiled = field(default_factory=Tiled)

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Replace each kernel of the module."""
        for kernel in [k for k in op.body.block.ops if isinstance(k, KernelOp)]:
            lowered = self.tiled.take(kernel, GENERATIONS[self.target])
            op.body.block.insert_op_before(lowered, kernel)
            kernel.detach()
            kernel.erase()
