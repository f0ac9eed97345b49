"""Put the plan and the kernels together into an artifact."""

from __future__ import annotations

from collections.abc import Callable

from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp

from neuronc.artifact.model import Artifact, Constant, Kernel
from neuronc.backend.emit import Sources
from neuronc.backend.kernels import finish_kernel
from neuronc.backend.plan import Plan
from neuronc.backend.signature import signature
from neuronc.dialects.stablehlo.weight import Handle
from neuronc.dialects.tile import KernelOp
from neuronc.dtypes import BY_NUMPY
from neuronc.hardware import Generation


def assemble(
    module: ModuleOp,
    plan: Plan,
    hw: Generation,
    provenance: dict[str, str],
    progress: Callable[[str, int, int], None],
) -> Artifact:
    """Emit every kernel of the module and wrap everything up; `progress` hears of each before."""
    sources = Sources()
    kernels: dict[str, Kernel] = {}
    ops = [op for op in module.body.block.ops if isinstance(op, KernelOp)]
    for number, op in enumerate(ops):
        progress("emitted: assemble", number + 1, len(ops))
        kernel = finish_kernel(op, sources, hw)
        kernels[kernel.name] = kernel
    main = next(op for op in module.body.block.ops if isinstance(op, FuncOp))
    inputs, outputs = signature(main)
    return Artifact(
        target=hw.name,
        inputs=inputs,
        outputs=outputs,
        kernels=tuple(kernels[name] for name in plan.kernels),
        buffers=plan.buffers,
        temporary_bytes=plan.temporary_bytes,
        program=plan.steps,
        constants=tuple(_constant(handle) for handle in plan.constants),
        sources=tuple(sources.entries),
        provenance=provenance,
    )


def _constant(handle: Handle) -> Constant:
    """A named one is external: its values come with the file that has the names."""
    array = handle.array
    return Constant(array, BY_NUMPY[array.dtype].name, array.shape, external=handle.name)
