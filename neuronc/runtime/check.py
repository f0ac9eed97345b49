"""Prove that a kernel's streams give one result in every order that the waits allow.

`--check` runs this once a kernel and a way that its buffers overlap. It knows nothing of how the
waits were made: it derives from the streams alone what is ordered (`clocks`), what is reached
(`accesses`), which pairs are left (`races`), and who reads what was not written (`unwritten`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from neuronc.artifact.model import Kernel
from neuronc.errors import ExecutionError
from neuronc.hardware import Generation
from neuronc.isa.records import decode, disassemble
from neuronc.isa.table import Engine
from neuronc.runtime.accesses import Room, accesses_of, outside_tile, rooms_of
from neuronc.runtime.clocks import Order, clocks_of
from neuronc.runtime.races import Race, find_race
from neuronc.runtime.unwritten import stale_read, unwritten_read

Sources = Sequence[tuple[str, str]]
"""The debug map: (source line, StableHLO op) by the number that a record names."""
_HINT = "the file is damaged, or this is a bug of neuronc: please report it with the program"


@dataclass(frozen=True)
class Checked:
    """A kernel to prove, one legal order of it, and what its errors name."""

    kernel: Kernel
    order: Order
    sources: Sources
    hw: Generation

    def describe(self, engine: Engine, index: int) -> str:
        """One record: where it is, which source line it is from, and what it says."""
        (record,) = decode(self.kernel.streams[engine][index : index + 1])
        line = self.sources[record.source][0] if record.source < len(self.sources) else ""
        return f"{name_of(engine, index)} {line or '(no line)'}: {disassemble(record)}"


@dataclass
class Prover:
    """Proves kernels as they are bound, each once for every way that its buffers overlap."""

    sources: Sources
    hw: Generation
    _proved: set[tuple[str, tuple[Room, ...]]] = field(
        default_factory=set[tuple[str, tuple[Room, ...]]]
    )

    def prove(self, kernel: Kernel, order: Order, buffers: Sequence[NDArray[np.uint8]]) -> None:
        """Prove a kernel on the buffers of one call.

        Raises:
            ExecutionError: it is not proved.
        """
        rooms = rooms_of(buffers)
        if (kernel.name, rooms) not in self._proved:
            check_kernel(Checked(kernel, order, self.sources, self.hw), rooms)
            self._proved.add((kernel.name, rooms))


def check_kernel(checked: Checked, rooms: Sequence[Room]) -> None:
    """Prove a kernel whose buffers lie in `rooms`.

    Raises:
        ExecutionError: a record reaches outside its tile, two reach the same bytes unordered, or
            one reads what was not written.
    """
    accesses = accesses_of(checked.kernel, rooms)
    row = outside_tile(accesses)
    if row is not None:
        record = accesses.at(row)
        raise _error(checked, f"{name_of(*record)} reaches outside its tile", [record])
    race = find_race(accesses, clocks_of(checked.kernel.streams, checked.order))
    if race is not None:
        raise _race_error(checked, race)
    for find, what in (
        (unwritten_read, "reads bytes on chip that no record has written"),
        (stale_read, "reads a block on chip after another was written over it"),
    ):
        row = find(accesses, checked.order, checked.hw)
        if row is not None:
            record = accesses.at(row)
            raise _error(checked, f"{name_of(*record)} {what}", [record])


def name_of(engine: Engine, index: int) -> str:
    """How errors name a record: `vector[12]`."""
    return f"{engine.name.lower()}[{index}]"


def _race_error(checked: Checked, race: Race) -> ExecutionError:
    one, other = name_of(*race.one), name_of(*race.other)
    what = f"which reach the same bytes of {race.memory.name}"
    return _error(checked, f"no wait orders {one} and {other}, {what}", [race.one, race.other])


def _error(checked: Checked, problem: str, records: list[tuple[Engine, int]]) -> ExecutionError:
    lines = [f"\n    {checked.describe(engine, index)}" for engine, index in records]
    return ExecutionError(checked.kernel.name, problem + "".join(lines), _HINT, code="NRC-0507")
