"""Assign each op to a kernel: its own, or that of a producer which it can join.

An op joins where it walks the space of the producer's kernel, reads what that computes index by
index or row by index, no path through another kernel leads back, and rows still fit on chip.
"""

from __future__ import annotations

from math import prod

import numpy as np
from xdsl.ir import Block, Operation, SSAValue

from neuronc.dialects.stablehlo.reduction import ReduceOp
from neuronc.dialects.types import shape_of
from neuronc.hardware import Generation
from neuronc.passes.budget import columns_max
from neuronc.passes.classify import CONTRACT, CONTROL, MAP, is_source, kind_of
from neuronc.passes.group import Group, reads_of, space_of
from neuronc.passes.views import View, dense, is_view_op, splat_of, view_of

EPILOGUE_MAX = 24
"""Ops that may follow a contraction: their blocks live beside its operands."""


class Grouping:
    """Assigns every op of a block to a group."""

    def __init__(self, block: Block, hw: Generation) -> None:
        self._block, self._hw = block, hw
        self._group: dict[Operation, Group] = {}
        self._groups: list[Group] = []

    def build(self) -> list[Group]:
        """Form the groups, in program order."""
        for position, op in enumerate(self._block.ops):
            kind = kind_of(op)
            if kind is None and not isinstance(op, CONTROL):
                continue
            group = self._join(op, position) if kind == MAP else None
            if group is None:
                group = Group(kind, position, position, [op], *space_of(op, kind))
                self._groups.append(group)
                group.reach(position)
                group.follow(self._producers(op))
            self._group[op] = group
        return self._groups

    def _producers(self, op: Operation) -> set[Group]:
        """Groups whose results `op` reads, through views and from inside its regions."""
        found: set[Group] = set()
        for value in reads_of(op):
            owner = value.owner
            while isinstance(owner, Operation) and is_view_op(owner):
                owner = owner.operands[0].owner
            if isinstance(owner, Operation) and owner in self._group:
                found.add(self._group[owner])
        return found

    def _join(self, op: Operation, position: int) -> Group | None:
        """Put `op` into the latest group of a producer that takes it; merge others into that."""
        producers = self._producers(op)
        for group in sorted(producers, key=lambda g: -g.last):
            if not self._accepts(group, op):
                continue
            if any(self._reaches(other, group) for other in producers - {group}):
                continue
            space = space_of(op, MAP) if isinstance(op, ReduceOp) else (group.domain, group.reduced)
            group.domain, group.reduced = group.domain, space[1] or group.reduced
            group.ops.append(op)
            group.last = position
            group.reach(position)
            group.follow(producers - {group})
            self._group[op] = group
            for other in producers - {group}:
                self._merge(other, group)
            return group
        return None

    def _merge(self, other: Group, group: Group) -> None:
        """Take over a second producer of the same space, so that its value stays on chip."""
        if other.kind != MAP or group.kind != MAP or other.domain != group.domain:
            return
        if other.reduced not in ((), group.reduced) or any(
            self._reaches(g, other) for g in group.before - {other}
        ):
            return
        combined = sorted(other.ops + group.ops, key=self._positions().__getitem__)
        if not self._fits(group.domain, group.reduced, combined):
            return
        self._group.update(dict.fromkeys(other.ops, group))
        if not all(self._reads_in_place(group, op, group.reduced) for op in combined):
            self._group.update(dict.fromkeys(other.ops, other))
            return
        group.ops = combined
        group.first, group.last = min(group.first, other.first), max(group.last, other.last)
        for producer in other.before:
            producer.after.discard(other)
        group.follow(other.before)
        for reader in other.after:
            reader.before.discard(other)
            reader.follow({group} - {reader})
        self._groups.remove(other)

    def _positions(self) -> dict[Operation, int]:
        if not hasattr(self, "_position"):
            self._position = {op: i for i, op in enumerate(self._block.ops)}
        return self._position

    def _reaches(self, start: Group, goal: Group) -> bool:
        """Whether `start` depends on `goal`."""
        stack, seen = [start], {start}
        while stack:
            group = stack.pop()
            if group is goal:
                return True
            for before in group.before:
                if before not in seen and before.latest >= goal.first:
                    seen.add(before)
                    stack.append(before)
        return False

    def _accepts(self, group: Group, op: Operation) -> bool:
        """Whether `op` walks the group's space and reads its values in place."""
        if group.kind == CONTRACT:
            if isinstance(op, ReduceOp) or len(group.ops) > EPILOGUE_MAX:
                return False
        elif group.kind != MAP:
            return False
        if isinstance(op, ReduceOp):
            domain, reduced = space_of(op, MAP)
            if domain != group.domain or group.reduced not in ((), reduced):
                return False
        else:
            reduced = group.reduced
            shape = shape_of(op.results[0])
            if not self._level(group, shape):
                return False
        if not self._reads_in_place(group, op, reduced):
            return False
        return group.kind == CONTRACT or self._fits(group.domain, reduced, [*group.ops, op])

    def _level(self, group: Group, shape: tuple[int, ...]) -> bool:
        """Full values have the very shape of the domain, rows that of the kept axes."""
        if group.is_full(shape):
            return shape == group.domain
        return prod(shape) == prod(group.rows) and _squeezed(shape) == _squeezed(group.rows)

    def _reads_in_place(self, group: Group, op: Operation, reduced: tuple[int, ...]) -> bool:
        """Whether the op reads all that the group computes index by index, or row by index."""
        return all(self._in_place(group, op, i, reduced) for i in range(len(op.operands)))

    def _in_place(self, group: Group, op: Operation, index: int, reduced: tuple[int, ...]) -> bool:
        """Whether an operand that the group computes is read index by index, or row by index."""
        value = op.operands[index]
        owner = _source_op(value)
        if owner is None or self._group.get(owner) is not group:
            return True
        view = view_of(value, is_source)
        if view is None:
            return False
        assert view.source is not None
        made = shape_of(view.source)
        whole = Group(group.kind, 0, 0, [], group.domain, reduced)
        wanted = shape_of(op.operands[0]) if isinstance(op, ReduceOp) else shape_of(op.results[0])
        if isinstance(op, ReduceOp) and index > 0:
            return False
        if whole.is_full(made):
            return whole.is_full(wanted) and _walks(view, dense(None, made))
        if whole.is_full(wanted):
            return _walks(view, _rows_over(whole, made))
        return _walks(view, dense(None, shape_of(value)))

    def _fits(
        self, domain: tuple[int, ...], reduced: tuple[int, ...], ops: list[Operation]
    ) -> bool:
        """Whole rows fit on chip; or nothing full depends on a reduction, so they can stream."""
        if not reduced:
            return True
        space = Group(MAP, 0, 0, [], domain, reduced)
        rows = {op for op in ops if isinstance(op, ReduceOp) or not space.is_full(_shape(op))}
        full = [op for op in ops if op not in rows]
        operands = {v for op in ops for v in _full_operands(op, rows) if splat_of(v) is None}
        made = set(ops)
        loads = {v for v in operands if _source_op(v) not in made}
        columns = prod(domain[d] for d in reduced)
        if columns <= columns_max(len(full) + len(loads), 4, self._hw):
            return True
        if len(full) + 1 > 12:
            return False
        return not any(_source_op(v) in rows for op in ops for v in _full_operands(op, rows))


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n for n in shape if n != 1)


def _walks(view: View, like: View) -> bool:
    """Whether two views step alike, dimensions of size 1 aside."""
    if view.offset != like.offset:
        return False
    pairs = [
        [(n, s) for n, s in zip(v.shape, v.strides, strict=True) if n != 1] for v in (view, like)
    ]
    return pairs[0] == pairs[1]


def _rows_over(group: Group, made: tuple[int, ...]) -> View:
    """A row value read at every index of the domain."""
    kept = [n if d not in group.reduced else 1 for d, n in enumerate(group.domain)]
    rows = dense(None, tuple(kept))
    assert prod(kept) == prod(made)
    return rows.transformed(lambda a: np.broadcast_to(a, group.domain))


def _shape(op: Operation) -> tuple[int, ...]:
    return shape_of(op.results[0])


def _source_op(value: SSAValue) -> Operation | None:
    op = value.owner
    while isinstance(op, Operation) and is_view_op(op):
        op = op.operands[0].owner
    return op if isinstance(op, Operation) else None


def _full_operands(op: Operation, rows: set[Operation]) -> list[SSAValue]:
    if isinstance(op, ReduceOp):
        return [op.operands[0]]
    return [] if op in rows else list(op.operands)
