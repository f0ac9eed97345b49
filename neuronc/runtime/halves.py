"""Split large products in two, where too few are ready at a time to keep two workers busy.

    psum[256, 512] = left[K, 256].T @ moving[K, 512]
  becomes
    psum[0:128] = left[K, 0:128].T @ moving; psum[128:256] = left[K, 128:256].T @ moving

A layer of a small model is a chain: each product waits for the one before, and one worker for the
other. Halves are also what a second block of rows waits for, not for the first. Whether to split is
decided by what two workers would take, whatever their number, so that the bits do not depend on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from neuronc.runtime.nodes import Node, Spaces, retargeted
from neuronc.runtime.schedule import WORKERS, Task, makespan, tasks
from neuronc.runtime.views import View

HALVE_MIN = 1 << 22
"""Multiply-adds of a product that is worth two calls."""
GAIN_MIN = 1.05
"""How much sooner two workers have to be done."""


def halve(
    nodes: Sequence[Node], tasks_: list[Task], spaces: Spaces
) -> tuple[list[Node], list[Task]]:
    """Nodes and their tasks, with large products in halves where that is sooner done."""
    before, least = makespan(tasks_, WORKERS), sum(task.seconds for task in tasks_) / WORKERS
    split = [half for node in nodes for half in _halves(node)]
    if before > GAIN_MIN * least and len(split) > len(nodes):
        after = tasks(split, spaces)
        if before > GAIN_MIN * makespan(after, WORKERS):
            return split, after
    return list(nodes), tasks_


def _halves(node: Node) -> Iterator[Node]:
    """The halves along the longer dimension of the result, or the node itself."""
    if not (node.is_gemm and node.depth * node.views["dst"].size >= HALVE_MIN):
        yield node
        return
    axis = 0 if node.views["dst"].shape[0] >= node.views["dst"].shape[1] // 2 else 1
    name = ("left", "moving")[axis]
    parts = zip(_cut(node.views["dst"], axis), _cut(node.views[name], 1), strict=True)
    for dst, operand in parts:
        yield retargeted(node, {"dst": dst, name: operand})


def _cut(view: View, axis: int) -> Iterator[View]:
    count = view.shape[axis]
    for start, stop in ((0, count // 2), (count // 2, count)):
        shape = (*view.shape[:axis], stop - start, *view.shape[axis + 1 :])
        yield replace(view, offset=view.offset + start * view.strides[axis], shape=shape)
