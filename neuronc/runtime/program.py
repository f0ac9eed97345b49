"""A loaded model: call it with arrays, get arrays.

Loading maps the file; the first call binds kernels. Inputs may be bound once instead of given at
each call, and are then read, and where donated updated, in the caller's memory (`arguments`). Only
the kernels that reach a buffer are bound anew when it changes place.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from neuronc.artifact.model import Artifact, BufferKind, TensorInfo
from neuronc.hardware import GENERATIONS
from neuronc.runtime.arguments import Arguments, bytes_of
from neuronc.runtime.blas import single_threaded
from neuronc.runtime.check import Prover
from neuronc.runtime.memory import Array, Bytes, Core
from neuronc.runtime.steps import Steps, Thunk
from neuronc.runtime.workers import Team


@dataclass(frozen=True)
class Signature:
    """What a program takes and gives."""

    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]


class Program:
    """An artifact ready to run.

    With `check` kernels are proved when they are bound (see `check`), and on-chip memory is
    poisoned before each. `seed` picks another legal order of their records, for tests. Up to
    `workers` threads (by default one a core) run independent records; the bits do not depend on it.
    """

    def __init__(
        self,
        artifact: Artifact,
        check: bool = False,
        seed: int | None = None,
        workers: int | None = None,
    ) -> None:
        self.artifact = artifact
        self.signature = Signature(artifact.inputs, artifact.outputs)
        self._hw = GENERATIONS[artifact.target]
        self._prover = Prover(artifact.sources, self._hw) if check else None
        self._seed = seed
        self._team = Team(1 if check else workers or _cores())

    def __call__(self, *arrays: Array) -> list[Array]:
        """Run on one array per input that is not bound, in order; returns one array per output.

        An output whose donated input is bound is that array, updated; all others are fresh.

        Raises:
            InputError: on a wrong number, shape or element type.
        """
        arguments, main = self._ready
        arguments.place(arrays)
        with np.errstate(all="ignore"), single_threaded():
            main()
        return arguments.results()

    def bind(self, arrays: Mapping[int | str, Array]) -> None:
        """Bind inputs by name or position until they are bound anew; calls take the others.

        The program works in the arrays' own memory: what the caller writes there the next call
        reads, and what it makes of a donated input it leaves there. Arrays that are no contiguous
        run work too, but are copied at each call.

        Raises:
            InputError: there is no such input, or an array does not fit it; nothing is bound then.
        """
        self._ready[0].bind(arrays)

    def unbind(self) -> None:
        """Give up the arrays that are bound."""
        self._ready[0].unbind()

    @property
    def free_inputs(self) -> tuple[TensorInfo, ...]:
        """What a call takes, in order: the inputs that are not bound."""
        return self._ready[0].free

    @property
    def bound(self) -> dict[str, Array]:
        """The arrays that are bound, by the names of their inputs."""
        return self._ready[0].bound

    @property
    def copied_bytes(self) -> int:
        """What the last call copied between the caller's arrays and the program's own buffers."""
        return self._ready[0].copied_bytes

    @cached_property
    def _ready(self) -> tuple[Arguments, Thunk]:
        """Reserve the memories, and turn the program into one call."""
        memory = _reserve(self.artifact)
        memories = Core.of(self._hw), memory
        self._steps = Steps(self.artifact, memories, self._team, self._prover, self._seed)
        main = self._steps.sequence(self.artifact.program)
        return Arguments(self.artifact, memory, self._steps.unbind), main


def _reserve(artifact: Artifact) -> list[Bytes]:
    """The memory of each buffer; inputs have none before they are given."""
    arena = np.zeros(artifact.temporary_bytes, np.uint8)
    memory: list[Bytes] = []
    for buffer in artifact.buffers:
        if buffer.kind is BufferKind.TEMPORARY:
            base = arena[buffer.offset : buffer.offset + buffer.bytes]
        elif buffer.kind is BufferKind.CONSTANT:
            array = artifact.constants[buffer.index].array
            assert array is not None
            base = bytes_of(np.ascontiguousarray(array))
        elif buffer.kind is BufferKind.OUTPUT:
            base = np.zeros(buffer.bytes, np.uint8)
        else:
            base = np.zeros(0, np.uint8)
        memory.append(base)
    return memory


def _cores() -> int:
    """Cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
