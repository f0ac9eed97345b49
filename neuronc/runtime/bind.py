"""Bind a kernel: turn its records into flat lists of calls, once.

Records become nodes; short copies are gathered (`copies`), nodes are read past copies (`forward`),
products merged (`merge`), results made where they are copied to (`coalesce`), sums of products made
dot products (`dots`), products stacked (`stack`) and their results read where they lie, what is on
chip kept together (`compact`), small calls that are alike made one (`alike`), large ones two where
workers would wait (`halves`), and all put together to tasks that workers may share (`schedule`,
`trial`): once a kernel and way that its buffers overlap. What stays on chip is bound then; what
touches HBM once a call site, since a kernel is relocatable by its buffers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from neuronc.artifact.model import Kernel
from neuronc.isa import instructions as isa
from neuronc.isa.operands import Memory
from neuronc.isa.records import Record, decode
from neuronc.runtime.accesses import rooms_of
from neuronc.runtime.alike import gather
from neuronc.runtime.clocks import Order
from neuronc.runtime.coalesce import coalesce
from neuronc.runtime.compact import compact
from neuronc.runtime.copies import merge_copies
from neuronc.runtime.dots import make_dots
from neuronc.runtime.forward import forward
from neuronc.runtime.gemm import bind_batch, bind_gemm
from neuronc.runtime.halves import halve
from neuronc.runtime.indirect import Call, bind_gather, bind_library, bind_scatter
from neuronc.runtime.kernels import KERNELS
from neuronc.runtime.memory import Bytes, Core
from neuronc.runtime.merge import merge_accumulations
from neuronc.runtime.nodes import Node, Places, Spaces, node_of, spaces_of
from neuronc.runtime.order import legal_order
from neuronc.runtime.schedule import Task, tasks
from neuronc.runtime.stack import stack
from neuronc.runtime.trial import Bound, Trial
from neuronc.runtime.windows import Products
from neuronc.runtime.workers import Tasks

_NOTHING = np.zeros(0, np.uint8)


@dataclass
class Plan:
    """What the host runs for a kernel's records, in a legal order, and the calls bound so far."""

    nodes: list[Node]
    host: Bytes
    """The memory of `nodes.HOST`."""
    tasks: list[Task]
    calls: list[Call | None]
    """None where a node needs the buffers of a call site."""
    trial: Trial


@dataclass
class BoundKernel:
    """A kernel's records in a legal order, and a plan for each way that its buffers overlap.

    A literal kernel runs each record as it stands.
    """

    kernel: Kernel
    core: Core
    order: Order
    records: list[Record]
    literal: bool
    plans: dict[Spaces, Plan] = field(default_factory=dict[Spaces, Plan])

    def at(self, buffers: Sequence[Bytes], workers: int) -> Bound:
        """The calls for one call site, as the tasks of its workers."""
        spaces = spaces_of(self.kernel, rooms_of(buffers))
        plan = self.plans.get(spaces)
        if plan is None:
            plan = self.plans[spaces] = self._plan(spaces)
        calls = [
            call or self.call(node, buffers, plan.host)
            for call, node in zip(plan.calls, plan.nodes, strict=True)
        ]
        return Bound(Tasks(plan.tasks, calls, workers), plan.trial)

    def _plan(self, spaces: Spaces) -> Plan:
        nodes = [node_of(record, self.kernel, self.core.partitions) for record in self.records]
        host = _NOTHING
        if not self.literal:
            nodes = forward(merge_copies(nodes, spaces), spaces)
            places = Places(spaces)
            nodes = coalesce(merge_accumulations(nodes, places), places)
            nodes = make_dots(nodes, places)
            nodes, room = stack(nodes, places)
            nodes = forward(nodes, spaces)
            nodes = compact(nodes, places, self.core.sbuf.nbytes)
            nodes = gather(nodes, spaces)
            host = np.empty(room, np.uint8)
        made = tasks(nodes, spaces)
        if not self.literal:
            nodes, made = halve(nodes, made, spaces)
        calls = [None if _touches_hbm(node) else self.call(node, (), host) for node in nodes]
        return Plan(nodes, host, made, calls, Trial.of(made))

    def call(self, node: Node, buffers: Sequence[Bytes], host: Bytes = _NOTHING) -> Call:
        """Bind one node over the buffers of a call site."""
        instr = node.instruction
        if isinstance(instr, isa.DmaGather):
            return bind_gather(instr, self.core, buffers)
        if isinstance(instr, isa.DmaScatter):
            return bind_scatter(instr, self.core, buffers)
        if isinstance(instr, isa.Library):
            return bind_library(self.kernel.library[instr.call], buffers)
        spaces = (host, self.core.sbuf, self.core.psum, *buffers)
        views = {name: view.on(spaces) for name, view in node.views.items()}
        if isinstance(instr, isa.MatMul) and node.multiplies:
            if views["dst"].dtype == np.float32:
                adds = bool(instr.accumulate)
                if node.is_batch:
                    return bind_batch(views["dst"], views["left"], views["moving"])
                if node.is_gemm:
                    return bind_gemm(views["dst"], views["left"], views["moving"], adds)
                pairs = [(views[left], views[moving]) for left, moving in node.factors]
                return Products(views["dst"], pairs, adds)
            views["stationary"] = views["left"]
        return KERNELS[type(instr)](instr, views)


def bind_kernel(
    kernel: Kernel, core: Core, seed: int | None = None, literal: bool = False
) -> BoundKernel:
    """Decode a kernel and find a legal order; `seed` picks another."""
    decoded = {engine: list(decode(stream)) for engine, stream in kernel.streams.items()}
    order = legal_order(kernel.streams, kernel.name, seed)
    records = [decoded[engine][position] for engine, position in order]
    return BoundKernel(kernel, core, order, records, literal)


def _touches_hbm(node: Node) -> bool:
    return any(view.space >= Memory.HBM for view in node.views.values())
