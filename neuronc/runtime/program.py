"""A loaded model: call it with arrays, get arrays.

Loading maps the file; the first call binds. Small inputs are copied into the program's own
buffers; large ones (weights) are read where they are, and only the kernels that read one are bound
anew when it changes place.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from neuronc.artifact.container import Data, read
from neuronc.artifact.external import attach
from neuronc.artifact.model import Artifact, BufferKind, Call, Case, Step, TensorInfo, While
from neuronc.dtypes import BY_NAME
from neuronc.errors import ArtifactError, InputError
from neuronc.hardware import GENERATIONS
from neuronc.runtime.bind import BoundKernel, bind_kernel
from neuronc.runtime.blas import single_threaded
from neuronc.runtime.check import Prover
from neuronc.runtime.memory import Bytes, Core
from neuronc.runtime.schedule import Item, split
from neuronc.runtime.workers import Lists, Team

Array = NDArray[np.generic]
COPIED_BYTES_MAX = 1 << 20
"""Inputs up to this size are copied at each call; larger ones are read in place."""
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
    calls: Lists | None = None


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
        self._items: dict[int, list[list[Item]]] = {}
        self._team = Team(1 if check else workers or _cores())
        self._main: Thunk | None = None

    def __call__(self, *arrays: Array) -> list[Array]:
        """Run on one array per input, in order; returns one fresh array per output.

        Raises:
            InputError: on a wrong number, shape or element type.
        """
        inputs = _checked(arrays, self.artifact.inputs)
        if self._main is None:
            self._prepare()
        self._place(inputs)
        main = self._main
        assert main is not None
        with np.errstate(all="ignore"), single_threaded():
            main()
        return self._outputs()

    def _prepare(self) -> None:
        """Reserve the memories and turn the program into one call."""
        artifact = self.artifact
        self._core = Core.of(self._hw)
        arena = np.zeros(artifact.temporary_bytes, np.uint8)
        for buffer in artifact.buffers:
            if buffer.kind is BufferKind.TEMPORARY:
                base = arena[buffer.offset : buffer.offset + buffer.bytes]
            elif buffer.kind is BufferKind.CONSTANT:
                array = artifact.constants[buffer.index].array
                assert array is not None
                base = _bytes_of(np.ascontiguousarray(array))
            else:
                base = np.zeros(buffer.bytes, np.uint8)
            self._memory.append(base)
        self._main = self._sequence(artifact.program)

    def _place(self, inputs: Sequence[Array]) -> None:
        """Copy small inputs in; point at large ones, unbinding what reads them if they moved."""
        moved: set[int] = set()
        for number, buffer in enumerate(self.artifact.buffers):
            if buffer.kind is not BufferKind.INPUT or not buffer.bytes:
                continue
            source = _bytes_of(inputs[buffer.index])
            if buffer.bytes <= COPIED_BYTES_MAX:
                np.copyto(self._memory[number], source)
            elif self._memory[number].ctypes.data != source.ctypes.data:
                self._memory[number] = source
                moved.add(number)
        for site in self._sites:
            if site.calls is not None and moved.intersection(site.buffers):
                site.calls = None

    def _outputs(self) -> list[Array]:
        found = {
            b.index: i for i, b in enumerate(self.artifact.buffers) if b.kind is BufferKind.OUTPUT
        }
        outputs: list[Array] = []
        for index, info in enumerate(self.artifact.outputs):
            raw = self._memory[found[index]]
            outputs.append(raw.view(BY_NAME[info.dtype].numpy).reshape(info.shape).copy())
        return outputs

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

    def _bind(self, site: _Site) -> Lists:
        if site.kernel not in self._kernels:
            kernel = self.artifact.kernels[site.kernel]
            self._kernels[site.kernel] = bind_kernel(kernel, self._core, self._seed)
        bound, buffers = self._kernels[site.kernel], [self._memory[b] for b in site.buffers]
        if self._prover:
            self._prover.prove(bound.kernel, bound.order, buffers)
        if site.kernel not in self._items:
            self._items[site.kernel] = split(bound.records, self._team.workers)
        return Lists(self._items[site.kernel], bound.at(buffers))

    def _while(self, step: While) -> Thunk:
        condition, body = self._sequence(step.condition), self._sequence(step.body)
        predicate = self._memory[step.predicate]

        def run() -> None:
            condition()
            while predicate[0]:
                body()
                condition()

        return run

    def _case(self, step: Case) -> Thunk:
        branches = [self._sequence(b) for b in step.branches]
        dtype = BY_NAME[self.artifact.buffers[step.index].dtype].numpy
        index = self._memory[step.index].view(dtype)

        def run() -> None:
            number = int(index[0])
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


def _checked(arrays: Sequence[Array], infos: Sequence[TensorInfo]) -> list[Array]:
    if len(arrays) != len(infos):
        problem = f"{len(infos)} arrays are needed, but {len(arrays)} were given"
        raise InputError(
            "inputs", problem, "`neuronc inspect` lists the inputs in order", code="NRC-0501"
        )
    out: list[Array] = []
    for array, info in zip(arrays, infos, strict=True):
        given, wanted = np.asarray(array), BY_NAME[info.dtype].numpy
        if given.shape != info.shape:
            raise InputError(
                info.name,
                f"shape {info.shape} is needed, but {given.shape} was given",
                code="NRC-0502",
            )
        if given.dtype != wanted:
            raise InputError(
                info.name, f"type {wanted} is needed, but {given.dtype} was given", code="NRC-0503"
            )
        out.append(np.ascontiguousarray(given).reshape(info.shape))
    return out


def _bytes_of(array: Array) -> Bytes:
    """The bytes of a contiguous array, in place."""
    return array.reshape(-1).view(np.uint8) if array.size else np.zeros(0, np.uint8)
