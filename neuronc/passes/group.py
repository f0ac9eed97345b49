"""Ops of one kernel to be, which groups they depend on, and the order that asks for."""

from __future__ import annotations

from dataclasses import dataclass, field

from xdsl.ir import Operation, SSAValue

from neuronc.passes.space import Space


@dataclass(eq=False)
class Group:
    """Ops of one kernel to be, or one control-flow op."""

    kind: str | None
    first: int
    last: int
    ops: list[Operation]
    space: Space
    """What a map kernel or a contraction walks; empty for others."""
    before: set[Group] = field(default_factory=set["Group"])
    """Groups whose results this one reads."""
    after: set[Group] = field(default_factory=set["Group"])
    """Groups that read this one's results."""
    latest: int = -1
    """No op of this group, or of what it depends on, is later."""

    def follow(self, producers: set[Group]) -> None:
        """Read the results of others."""
        self.before |= producers
        for producer in producers:
            producer.after.add(self)
            self.reach(producer.latest)

    def reach(self, position: int) -> None:
        """Depend on an op as late as this, with all that read this group."""
        stack: list[Group] = [self]
        while stack:
            group = stack.pop()
            if group.latest < position:
                group.latest = position
                stack.extend(group.after)


def reads_of(op: Operation) -> list[SSAValue]:
    """Operands of the op and of everything inside its regions."""
    if not op.regions:
        return list(op.operands)
    return [v for inner in op.walk() for v in inner.operands]


def ordered(groups: list[Group]) -> list[Group]:
    """Topological order, as close to the program's as dependences allow."""
    done: set[Group] = set()
    order: list[Group] = []
    for root in sorted(groups, key=lambda g: g.last):
        stack = [(root, False)]
        while stack:
            group, expanded = stack.pop()
            if expanded:
                order.append(group)
            elif group not in done:
                done.add(group)
                stack.append((group, True))
                waiting = sorted(group.before - done, key=lambda g: -g.last)
                stack.extend((g, False) for g in waiting)
    return order
