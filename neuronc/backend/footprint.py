"""Refuse a program that does not fit the target's HBM, naming what takes the most."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp

from neuronc.artifact.footprint import footprint
from neuronc.artifact.model import Buffer, BufferKind, TensorInfo
from neuronc.backend.plan import Plan
from neuronc.backend.signature import signature
from neuronc.errors import CapacityError
from neuronc.hardware import Generation
from neuronc.units import format_bytes

NAMED_MAX = 3
"""How many of the largest buffers a message names."""

Signature = tuple[tuple[TensorInfo, ...], tuple[TensorInfo, ...]]


def check_footprint(module: ModuleOp, plan: Plan, hw: Generation, where: str) -> None:
    """Compare a program's inputs, outputs, constants and temporaries with the HBM of one core.

    Raises:
        CapacityError: they are larger.
    """
    need = footprint(plan.buffers, plan.temporary_bytes).total_bytes
    if need <= hw.hbm_bytes:
        return
    main = next(op for op in module.body.block.ops if isinstance(op, FuncOp))
    largest = sorted(_unique(plan.buffers), key=lambda b: -b.bytes)[:NAMED_MAX]
    named = ", ".join(_describe(buffer, signature(main)) for buffer in largest)
    size, limit = format_bytes(need), format_bytes(hw.hbm_bytes)
    problem = f"needs {size} of HBM, but a core of {hw.name} has {limit}"
    hint = f"the largest buffers are {named}"
    raise CapacityError(where, problem, hint, code="NRC-0301")


def _unique(buffers: Sequence[Buffer]) -> Iterator[Buffer]:
    """One buffer for each input, output, constant or place among the temporaries."""
    seen: dict[tuple[BufferKind, int, int], Buffer] = {}
    for buffer in buffers:
        key = (buffer.kind, buffer.index, buffer.offset)
        if key not in seen or seen[key].bytes < buffer.bytes:
            seen[key] = buffer
    yield from seen.values()


def _describe(buffer: Buffer, names: Signature) -> str:
    """Render as `input x f32[4, 8] (128 bytes)`."""
    inputs, outputs = names
    kind = buffer.kind.name.lower()
    if buffer.kind is BufferKind.INPUT:
        kind = f"input {inputs[buffer.index].name}"
    elif buffer.kind is BufferKind.OUTPUT:
        kind = f"output {outputs[buffer.index].name}"
    return f"{kind} {buffer.dtype}{list(buffer.shape)} ({format_bytes(buffer.bytes)})"
