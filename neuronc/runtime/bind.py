"""Bind a kernel: turn its records into a flat list of calls, once.

On-chip records are bound once a kernel; records that touch HBM once a call site, since a kernel is
relocatable by its buffers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from neuronc.artifact.model import Kernel
from neuronc.isa import instructions as isa
from neuronc.isa.operands import Memory, Operand
from neuronc.isa.records import Record, decode
from neuronc.isa.table import Instruction
from neuronc.runtime.clocks import Order
from neuronc.runtime.indirect import Call, bind_gather, bind_library, bind_scatter
from neuronc.runtime.kernels import KERNELS
from neuronc.runtime.memory import Bytes, Core, hbm_view
from neuronc.runtime.order import legal_order


@dataclass
class BoundKernel:
    """A kernel's calls in a legal order; None where a record needs the buffers of a call site."""

    kernel: Kernel
    core: Core
    order: Order
    records: list[Record]
    calls: list[Call | None]

    def at(self, buffers: Sequence[Bytes]) -> list[Call]:
        """The flat list of calls for one call site."""
        return [
            call or _bind(record.instruction, self.core, buffers, self.kernel)
            for call, record in zip(self.calls, self.records, strict=True)
        ]


def bind_kernel(kernel: Kernel, core: Core, seed: int | None = None) -> BoundKernel:
    """Decode a kernel, find a legal order (`seed` picks another), bind what needs no buffers."""
    decoded = {engine: list(decode(stream)) for engine, stream in kernel.streams.items()}
    order = legal_order(kernel.streams, kernel.name, seed)
    records = [decoded[engine][position] for engine, position in order]
    calls = [
        None if _touches_hbm(r.instruction) else _bind(r.instruction, core, (), kernel)
        for r in records
    ]
    return BoundKernel(kernel, core, order, records, calls)


def operands_of(instr: Instruction) -> dict[str, Operand]:
    """The operands that are given, by field name."""
    named = {name: cast(Operand | None, getattr(instr, name)) for name in instr.slots}
    return {name: operand for name, operand in named.items() if operand is not None}


def _touches_hbm(instr: Instruction) -> bool:
    if isinstance(instr, isa.Library):
        return True
    return any(o.memory is Memory.HBM for o in operands_of(instr).values())


def _bind(instr: Instruction, core: Core, buffers: Sequence[Bytes], kernel: Kernel) -> Call:
    if isinstance(instr, isa.DmaGather):
        return bind_gather(instr, core, buffers)
    if isinstance(instr, isa.DmaScatter):
        return bind_scatter(instr, core, buffers)
    if isinstance(instr, isa.Library):
        return bind_library(kernel.library[instr.call], buffers)
    views = {
        name: hbm_view(o, buffers) if o.memory is Memory.HBM else core.view(o)
        for name, o in operands_of(instr).items()
    }
    return KERNELS[type(instr)](instr, views)
