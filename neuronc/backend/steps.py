"""Steps of a program while it is planned: over storages, which get their numbers last."""

from __future__ import annotations

from dataclasses import dataclass

from neuronc.artifact.model import Call, Case, Step, While
from neuronc.backend.storage import Storage


@dataclass(frozen=True)
class Run:
    """Run a kernel on its inputs, then its outputs."""

    kernel: int
    storages: tuple[Storage, ...]


@dataclass(frozen=True)
class Loop:
    """Run the body as long as the condition leaves true in `predicate`."""

    condition: list[Planned]
    predicate: Storage
    body: list[Planned]
    trips: int | None


@dataclass(frozen=True)
class Branch:
    """Run the branch that `index` holds the number of."""

    index: Storage
    branches: list[list[Planned]]


Planned = Run | Loop | Branch


def numbered(step: Planned) -> Step:
    """Replace storages by buffer numbers, once all are known."""
    match step:
        case Run():
            return Call(step.kernel, tuple(s.number for s in step.storages))
        case Loop():
            condition = tuple(numbered(s) for s in step.condition)
            body = tuple(numbered(s) for s in step.body)
            return While(condition, step.predicate.number, body, step.trips)
        case Branch():
            branches = tuple(tuple(numbered(s) for s in b) for b in step.branches)
            return Case(step.index.number, branches)
