"""Layers: runs of steps that repeat in a block, equal but for the values that they read.

    norm, matmul, add,  norm, matmul, add,  norm, matmul, add, norm      three layers, and a norm

The order of the steps is first made independent of where a producer writes its elementwise ops,
such as the updates of all weights at the end of a training step: each follows the last matmul,
reduction or other op of a kind of its own that it depends on. Layers are cut beside updates in
place and control flow, if they have any, as kernels end there anyway; else where the fewest bytes
cross; and rather in front of a matmul than in the middle of elementwise ops, so that what would be
fused stays together.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import prod
from operator import itemgetter
from typing import Generic

import numpy as np
from xdsl.ir import Operation, SSAValue

from neuronc.dialects.types import element_type, is_tensor, shape_of
from neuronc.passes.classify import CONTROL, MAP, kind_of
from neuronc.passes.functions import is_elementwise
from neuronc.passes.repeats import longest_repeat
from neuronc.passes.steps import O, Step, V
from neuronc.passes.tile_index import ties_of

COUNT_MIN = 3
"""Repeats worth a function; fewer are as soon compiled one by one."""
SAVED_MIN = 8
"""Steps that must be saved in all."""
_OUTSIDE = (-1, -1)


@dataclass(frozen=True)
class Layers:
    """`count` runs of `period` steps from `start`; reads inside and outside are wired alike."""

    start: int
    period: int
    count: int
    wiring: Hashable

    @property
    def stop(self) -> int:
        """The end of the last layer."""
        return self.start + self.period * self.count


@dataclass(frozen=True)
class Ordered(Generic[O, V]):
    """The steps of a block in their new order, and where each result is made."""

    steps: Sequence[Step[O, V]]
    place: dict[V, tuple[int, int]]
    """A step, and which of its results."""

    def made(self, value: V) -> int:
        """The step that makes a value; -1 where none does."""
        return self.place.get(value, _OUTSIDE)[0]


def ordered(steps: Sequence[Step[O, V]]) -> Ordered[O, V]:
    """Elementwise steps after the last other step that they depend on, as far as they do."""
    made: dict[V, int] = {v: i for i, step in enumerate(steps) for v in step.results}
    light: dict[int, bool] = {}
    anchors: list[int] = []
    for i, step in enumerate(steps):
        if step.kind not in light:
            light[step.kind] = is_elementwise(step.model)
        before = [made[v] for v in roots(step) if v in made] if light[step.kind] else ()
        anchors.append(max((anchors[b] for b in before), default=i))
    order = sorted(range(len(steps)), key=lambda i: (anchors[i], i))
    moved = [steps[i] for i in order]
    place = {v: (i, k) for i, step in enumerate(moved) for k, v in enumerate(step.results)}
    return Ordered(moved, place)


def roots(step: Step[O, V]) -> list[V]:
    """The values with buffers that a step reads."""
    return [read.root for read in step.reads if read.root is not None]


def layers_of(block: Ordered[O, V]) -> list[Layers]:
    """The layers of a block, in order."""
    tokens = np.array([step.kind for step in block.steps], np.int64)
    return sorted(_search(block, tokens, 0), key=lambda layers: layers.start)


def wiring(block: Ordered[O, V], start: int, stop: int) -> tuple[Hashable, list[V]]:
    """Where the reads of a run of steps lead, and the values that it takes from outside."""
    outside: dict[V, int] = {}
    rows: list[int] = []
    for step in block.steps[start:stop]:
        for read in step.reads:
            if read.root is None:
                rows.append(-1)
                continue
            at, index = block.place.get(read.root, _OUTSIDE)
            if start <= at < stop:
                rows += (at - start, index)
            else:
                rows.append(-2 - outside.setdefault(read.root, len(outside)))
    return tuple(rows), list(outside)


def _search(block: Ordered[O, V], tokens: np.ndarray, base: int) -> Iterator[Layers]:
    """The best repeat of some steps, then those beside it."""
    best = longest_repeat(tokens)
    if best is None or best.count < COUNT_MIN or best.period * (best.count - 1) < SAVED_MIN:
        return
    if not any(_is_heavy(step.model) for step in block.steps[base + best.start :][: best.period]):
        return
    length = best.period * best.count + best.slack
    start = base + best.start
    first = _cut(block, start, length, best.period)
    count = (start + length - first) // best.period
    yield from _wired_alike(block, first, best.period, count)
    yield from _search(block, tokens[: first - base], base)
    stop = first + best.period * count
    yield from _search(block, tokens[stop - base :], stop)


def _wired_alike(block: Ordered[O, V], start: int, period: int, count: int) -> Iterator[Layers]:
    """Runs of layers that are wired alike; several that alternate are together one layer."""
    starts = [start + i * period for i in range(count)]
    wired = [wiring(block, at, at + period)[0] for at in starts]
    groups = [
        (key, list(group)) for key, group in groupby(zip(wired, starts, strict=True), itemgetter(0))
    ]
    alike = [
        Layers(found[0][1], period, len(found), key)
        for key, found in groups
        if len(found) >= COUNT_MIN
    ]
    yield from alike
    number = {key: i for i, key in enumerate(dict.fromkeys(wired))}
    best = None if alike else longest_repeat(np.array([number[key] for key in wired]))
    if best is not None and best.count >= COUNT_MIN:
        yield from _wired_alike(block, starts[best.start], period * best.period, best.count)


def _cut(block: Ordered[O, V], start: int, length: int, period: int) -> int:
    """Where the first layer starts: the repeat may be cut at any step of its first period."""
    crossing = _crossing(block, start, period)
    last = length - COUNT_MIN * period
    choices = range(start, start + min(period, last + 1))

    def cost(at: int) -> tuple[bool, int, bool, int]:
        beside = any(_is_apart(step.model) for step in block.steps[max(at - 1, 0) : at + 1])
        light = is_elementwise(block.steps[at].model)
        return not beside, crossing[at - start], light, at

    return min(choices, key=cost)


def _is_heavy(op: Operation) -> bool:
    """Whether the op starts a kernel; what is only elementwise and reduced may become one."""
    return kind_of(op) != MAP


def _is_apart(op: Operation) -> bool:
    """Whether the op is never part of a larger kernel."""
    return isinstance(op, CONTROL) or bool(ties_of(op))


def _crossing(block: Ordered[O, V], start: int, period: int) -> list[int]:
    """Bytes that one layer hands to the next, for each step that layers could be cut before."""
    last: dict[V, int] = {}
    for at in range(start, start + 2 * period):
        for root in roots(block.steps[at]):
            made = block.made(root)
            if start <= made < start + period and at - made <= period:
                last[root] = at - made
    total = np.zeros(2 * period, np.int64)
    for value, distance in last.items():
        made, index = block.place[value]
        size = _bytes(block.steps[made].model.results[index])
        total[made - start + 1 : made - start + 1 + distance] += size
    return (total[:period] + total[period:]).tolist()


def _bytes(value: SSAValue) -> int:
    return prod(shape_of(value)) * element_type(value).bytes if is_tensor(value) else 1
