"""Turn the steps of a program into one call of no arguments.

    call @map_0(0, 1);  while (predicate 2) { .. } do { .. }
  becomes
    run(records of map_0, bound to buffers 0 and 1);  condition();  while memory[2]: body(); ..

A kernel is bound where its call first runs, and anew where a buffer it reaches lies elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from neuronc.artifact.model import Artifact, Call, Case, Step, While
from neuronc.collector import uncollected
from neuronc.dtypes import BY_NAME
from neuronc.runtime.bind import BoundKernel, bind_kernel
from neuronc.runtime.check import Prover
from neuronc.runtime.memory import Bytes, Core
from neuronc.runtime.trial import Bound
from neuronc.runtime.workers import Team

Thunk = Callable[[], object]


@dataclass
class Site:
    """One call of a kernel: its bound list, and the buffers it was bound to."""

    kernel: int
    buffers: tuple[int, ...]
    calls: Bound | None = None


class Steps:
    """The steps of one program over the memories it runs on."""

    def __init__(
        self,
        artifact: Artifact,
        memories: tuple[Core, list[Bytes]],
        team: Team,
        prover: Prover | None,
        seed: int | None,
    ) -> None:
        self._artifact, self._team, self._prover, self._seed = artifact, team, prover, seed
        self._core, self._memory = memories
        self._kernels: dict[int, BoundKernel] = {}
        self.sites: list[Site] = []

    def unbind(self, number: int) -> None:
        """Have whatever reaches a buffer bound anew, since it lies elsewhere now."""
        for site in self.sites:
            if number in site.buffers:
                site.calls = None

    def sequence(self, steps: Sequence[Step]) -> Thunk:
        """All steps, one after the other."""
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
        site = Site(step.kernel, step.buffers)
        self.sites.append(site)

        def run() -> None:
            calls = site.calls
            if calls is None:
                calls = site.calls = self._bind(site)
            calls.run(self._team)

        def run_checked() -> None:
            self._core.poison()
            run()

        return run_checked if self._prover else run

    @uncollected()
    def _bind(self, site: Site) -> Bound:
        if site.kernel not in self._kernels:
            kernel = self._artifact.kernels[site.kernel]
            self._kernels[site.kernel] = bind_kernel(
                kernel, self._core, self._seed, literal=self._prover is not None
            )
        bound, buffers = self._kernels[site.kernel], [self._memory[b] for b in site.buffers]
        if self._prover:
            self._prover.prove(bound.kernel, bound.order, buffers)
        return bound.at(buffers, self._team.workers)

    def _while(self, step: While) -> Thunk:
        condition, body = self.sequence(step.condition), self.sequence(step.body)
        memory, predicate = self._memory, step.predicate

        def run() -> None:
            condition()
            while memory[predicate][0]:
                body()
                condition()

        return run

    def _case(self, step: Case) -> Thunk:
        branches = [self.sequence(b) for b in step.branches]
        dtype = BY_NAME[self._artifact.buffers[step.index].dtype].numpy
        memory, index = self._memory, step.index

        def run() -> None:
            number = int(memory[index].view(dtype)[0])
            branches[number if 0 <= number < len(branches) else -1]()

        return run
