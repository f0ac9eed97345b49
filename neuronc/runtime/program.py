"""A loaded model: call it with arrays, get arrays.

Loading maps the file; the first call binds kernels. Inputs may be bound once instead of given at
each call, and are then read, and where donated updated, in the caller's memory (`arguments`). Only
the kernels that reach a buffer are bound anew when it changes place.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from neuronc.artifact.container import Data, read
from neuronc.artifact.external import attach
from neuronc.artifact.model import Artifact, BufferKind, Call, Case, Step, TensorInfo, While
from neuronc.collector import uncollected
from neuronc.dtypes import BY_NAME
from neuronc.errors import ArtifactError, InputError
from neuronc.hardware import GENERATIONS
from neuronc.runtime.arguments import Arguments, bytes_of
from neuronc.runtime.bind import BoundKernel, bind_kernel
from neuronc.runtime.blas import single_threaded
from neuronc.runtime.check import Prover
from neuronc.runtime.memory import Array, Bytes, Core
from neuronc.runtime.workers import Tasks, Team

Thunk = Callable[[], object]


@dataclass(frozen=True)
class Signature:
    """What a program takes and gives."""

    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]


@dataclass
class _Site:
    """One call of a kernel: its bound list, and the buffers it was bound to."""

    kernel: int
    buffers: tuple[int, ...]
    calls: Tasks | None = None


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
        self._memory: list[Bytes] = []
        self._kernels: dict[int, BoundKernel] = {}
        self._sites: list[_Site] = []
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
        artifact = self.artifact
        self._core = Core.of(self._hw)
        arena = np.zeros(artifact.temporary_bytes, np.uint8)
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
            self._memory.append(base)
        main = self._sequence(artifact.program)
        return Arguments(artifact, self._memory, self._unbind_sites), main

    def _unbind_sites(self, number: int) -> None:
        """Have whatever reaches a buffer bound anew, since it lies elsewhere now."""
        for site in self._sites:
            if number in site.buffers:
                site.calls = None

    def _sequence(self, steps: Sequence[Step]) -> Thunk:
        thunks = [self._step(step) for step in steps]

        def run() -> None:
            for thunk in thunks:
                thunk()

        return run

    def _step(self, step: Step) -> Thunk:
        match step:
            case Call():
                return self._call(step)
            case While():
                return self._while(step)
            case Case():
                return self._case(step)

    def _call(self, step: Call) -> Thunk:
        site = _Site(step.kernel, step.buffers)
        self._sites.append(site)

        def run() -> None:
            calls = site.calls
            if calls is None:
                calls = site.calls = self._bind(site)
            self._team.run(calls)

        def run_checked() -> None:
            self._core.poison()
            run()

        return run_checked if self._prover else run

    @uncollected()
    def _bind(self, site: _Site) -> Tasks:
        if site.kernel not in self._kernels:
            kernel = self.artifact.kernels[site.kernel]
            self._kernels[site.kernel] = bind_kernel(
                kernel, self._core, self._seed, literal=self._prover is not None
            )
        bound, buffers = self._kernels[site.kernel], [self._memory[b] for b in site.buffers]
        if self._prover:
            self._prover.prove(bound.kernel, bound.order, buffers)
        return bound.at(buffers, self._team.workers)

    def _while(self, step: While) -> Thunk:
        condition, body = self._sequence(step.condition), self._sequence(step.body)
        memory, predicate = self._memory, step.predicate

        def run() -> None:
            condition()
            while memory[predicate][0]:
                body()
                condition()

        return run

    def _case(self, step: Case) -> Thunk:
        branches = [self._sequence(b) for b in step.branches]
        dtype = BY_NAME[self.artifact.buffers[step.index].dtype].numpy
        memory, index = self._memory, step.index

        def run() -> None:
            number = int(memory[index].view(dtype)[0])
            branches[number if 0 <= number < len(branches) else -1]()

        return run


class HasModel(Protocol):
    """What `neuronc.compile` returns: an artifact in memory, and more."""

    @property
    def model(self) -> Artifact:
        """The artifact."""
        ...


def load(
    source: str | os.PathLike[str] | Data | Artifact | HasModel,
    check: bool = False,
    weights: str | os.PathLike[str] | None = None,
) -> Program:
    """Load an artifact: from a path (mapped), its bytes, or memory.

    With `check`, constants' checksums are verified, every conflicting pair of accesses is proved
    ordered, and on-chip memory is poisoned before each kernel. `weights` is the safetensors file
    of an artifact that was compiled with external weights.

    Raises:
        InputError: there is no such file, or the weights do not fit.
        ArtifactError: the artifact is damaged.
    """
    artifact = _artifact_of(source, check)
    if artifact.target not in GENERATIONS:
        known = ", ".join(GENERATIONS)
        problem = f"unknown target {artifact.target!r}"
        raise ArtifactError("target", problem, f"known: {known}", code="NRC-0407")
    if weights is not None:
        artifact = attach(artifact, weights, check=check)
    missing = [c.external for c in artifact.constants if c.external and c.array is None]
    if missing:
        problem = f"{len(missing)} weights are in a file that was not given: {missing[0]}, ..."
        hint = "give the file with `weights=` or --external-weights"
        raise InputError("weights", problem, hint, code="NRC-0504")
    return Program(artifact, check)


def _artifact_of(
    source: str | os.PathLike[str] | Data | Artifact | HasModel, check: bool
) -> Artifact:
    if isinstance(source, Artifact):
        return source
    if isinstance(source, str | os.PathLike | Data):
        return read(source, check=check)
    return source.model


def _cores() -> int:
    """Cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
