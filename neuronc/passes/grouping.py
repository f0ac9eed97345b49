"""Assign each op to a kernel: its own, or that of a producer which it can join.

An op joins where it may (`join`), and no path through another kernel leads back.
"""

from __future__ import annotations

from xdsl.ir import Block, Operation

from neuronc.hardware import Generation
from neuronc.passes.classify import CONTRACT, CONTROL, MAP, kind_of
from neuronc.passes.group import Group, reads_of
from neuronc.passes.join import Made, fits, joined, reads_in_place, source_op
from neuronc.passes.space import Space, space_of


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
                space = space_of(op) if kind in (MAP, CONTRACT) else Space()
                group = Group(kind, position, position, [op], space)
                self._groups.append(group)
                group.reach(position)
                group.follow(self._producers(op))
            self._group[op] = group
        return self._groups

    def _producers(self, op: Operation) -> set[Group]:
        """Groups whose results `op` reads, through views and from inside its regions."""
        owners = map(source_op, reads_of(op))
        return {self._group[o] for o in owners if o is not None and o in self._group}

    def _join(self, op: Operation, position: int) -> Group | None:
        """Put `op` into the latest group of a producer that takes it; merge others into that."""
        producers = self._producers(op)
        for group in sorted(producers, key=lambda g: -g.last):
            space = joined(op, group, self._made_in(group), self._hw)
            if space is None or any(self._reaches(p, group) for p in producers - {group}):
                continue
            group.space = space
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
        if other.kind != MAP or group.kind != MAP or other.space.shape != group.space.shape:
            return
        if other.space.reduced not in ((), group.space.reduced) or any(
            self._reaches(g, other) for g in group.before - {other}
        ):
            return
        combined = sorted(other.ops + group.ops, key=self._positions().__getitem__)
        if not fits(group.space, combined, self._hw):
            return
        made = set(combined).__contains__
        if not all(reads_in_place(op, group.space, made) for op in combined):
            return
        self._group.update(dict.fromkeys(other.ops, group))
        group.ops = combined
        group.first, group.last = min(group.first, other.first), max(group.last, other.last)
        for producer in other.before:
            producer.after.discard(other)
        group.follow(other.before)
        for reader in other.after:
            reader.before.discard(other)
            reader.follow({group} - {reader})
        self._groups.remove(other)

    def _made_in(self, group: Group) -> Made:
        return lambda op: self._group.get(op) is group

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
