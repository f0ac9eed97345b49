"""What a block is to the search for layers: steps that read values, whatever the IR.

`O` and `V` are the ops and values of that IR: xDSL's, or MLIR's before they are converted.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from xdsl.ir import Attribute, Block, Operation, SSAValue

O = TypeVar("O")  # noqa: E741
V = TypeVar("V", bound=Hashable)


@dataclass(frozen=True)
class Read(Generic[V]):
    """A value as an op reads it."""

    value: V
    how: int
    """The number of the views between root and value, and of what made it where there is none."""
    root: V | None
    """The value with a buffer; None for iotas and splats."""
    uniform: bool = False
    """Whether it is made of splats alone."""


@dataclass(frozen=True, eq=False)
class Step(Generic[O, V]):
    """An op that is no view, iota, constant or end of a block."""

    op: O
    model: Operation
    """An op like it: itself, or what one that is alike was converted to."""
    kind: int
    """Equal for steps that are alike."""
    reads: tuple[Read[V], ...]
    results: tuple[V, ...]


@dataclass(frozen=True)
class Body(Generic[O, V]):
    """A block: its steps, and what its end reads."""

    steps: Sequence[Step[O, V]]
    end: tuple[Read[V], ...]


class Copier(ABC, Generic[O, V]):
    """Copies ops to the end of a block, each with the views, iotas and constants it reads."""

    def __init__(self, block: Block, known: dict[V, SSAValue]) -> None:
        self.block = block
        self.known = known

    @abstractmethod
    def bring(self, value: V) -> SSAValue:
        """The value in the new block."""

    @abstractmethod
    def add(self, op: O) -> None:
        """Copy one op whose operands are known."""

    def copy(self, op: O, read: Iterable[V]) -> None:
        """Copy one op and what it reads."""
        for value in read:
            self.bring(value)
        self.add(op)


class Origin(ABC, Generic[O, V]):
    """The IR that layers are found in."""

    @abstractmethod
    def copier(self, block: Block, known: dict[V, SSAValue]) -> Copier[O, V]:
        """What fills a function with copies; whatever it reads is brought in."""

    @abstractmethod
    def type_of(self, value: V) -> Attribute:
        """The type that a value has in the result."""
