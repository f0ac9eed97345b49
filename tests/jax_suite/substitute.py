"""Neuronc in the place of XLA: every program that JAX compiles is run by neuronc as well.

    jit(f)(x): StableHLO -> XLA executable -> results
  becomes
    jit(f)(x): StableHLO -> artifact -> Program -> results

XLA still compiles, because JAX asks its executable for layouts and shardings, and runs what needs
several devices; also what needs callbacks or tokens, and what neuronc refuses, which is counted. A
program of symbolic shapes comes to neuronc before JAX refines it, with the shapes of this call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np
from jax._src import compiler, core, pjit
from jax._src.interpreters import mlir, pxla
from jax.dtypes import float0
from jax.sharding import SingleDeviceSharding

from neuronc.artifact.container import read, to_bytes
from neuronc.errors import CapacityError, UnsupportedError
from neuronc.pipeline import compile_artifact
from neuronc.runtime.program import Program


@dataclass
class Tally:
    """What happened since the last `clear`."""

    programs: int = 0
    refused: list[str] = field(default_factory=list[str])

    def clear(self) -> None:
        self.programs = 0
        self.refused.clear()


TALLY = Tally()
_MODULES: dict[int, tuple[bytes, object]] = {}
"""By the identity of an executable its program, and the executable, which so stays what it is."""


@dataclass(frozen=True)
class Results:
    """The results of a run, as JAX expects them of an executable."""

    arrays: list[list[jax.Array]]
    avals: Sequence[core.ShapedArray]

    def consume_with_handlers(
        self, handlers: Sequence[Callable[[list[jax.Array]], Any]], strict: bool = True
    ) -> list[Any]:
        each = zip(handlers, self.arrays, self.avals, strict=strict)
        # What has no derivative is no array of XLA's.
        return [
            np.zeros(aval.shape, aval.dtype) if aval.dtype == float0 else handle(array)
            for handle, array, aval in each
        ]


@dataclass
class Executable:
    """An executable of XLA that neuronc runs instead, unless it refuses."""

    own: Any
    source: bytes
    avals: Sequence[core.ShapedArray]
    """Of the results."""
    program: Program | None = None
    refusal: str = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.own, name)

    def execute_sharded(self, arguments: Sequence[jax.Array], **options: Any) -> Any:
        if options:
            TALLY.refused.append("it needs tokens or a callback")
        if options or not self._compiled():
            return self.own.execute_sharded(arguments, **options)
        assert self.program is not None
        outputs = self.program(*[np.asarray(argument) for argument in arguments])
        TALLY.programs += 1
        return Results([[self._placed(output)] for output in outputs], self.avals)

    def _compiled(self) -> bool:
        """Whether neuronc takes the program; any error but a refusal fails the test."""
        if self.program is None and not self.refusal:
            try:
                self.program = Program(read(to_bytes(compile_artifact(self.source))))
            except (CapacityError, UnsupportedError) as error:
                self.refusal = str(error)
        if self.refusal:
            TALLY.refused.append(self.refusal)
        return not self.refusal

    def _placed(self, output: np.ndarray) -> jax.Array:
        (device,) = self.own.local_devices()
        aval = core.ShapedArray(output.shape, output.dtype)
        # As an executable's, the result keeps its type and is no transfer.
        with jax.enable_x64(True), jax.transfer_guard("allow"):
            return pxla.batched_device_put(aval, SingleDeviceSharding(device), [output], [device])


def install() -> None:
    """Put neuronc there, for the rest of the process."""
    own_compile, own_init = compiler.backend_compile_and_load, pxla.ExecuteReplicated.__init__
    own_refine = mlir.refine_polymorphic_shapes
    unrefined: list[bytes] = []

    def refine(module: Any) -> Any:
        unrefined[:] = [mlir.module_to_bytecode(module)]
        return own_refine(module)

    def compile_and_load(backend: Any, module: Any, *rest: Any, **options: Any) -> Any:
        # The executable is made right after its module was refined, if it was.
        source = unrefined.pop() if unrefined else mlir.module_to_bytecode(module)
        executable = own_compile(backend, module, *rest, **options)
        _MODULES[id(executable)] = source, executable
        return executable

    def init(self: Any, executable: Any, *rest: Any, **options: Any) -> None:
        own_init(self, executable, *rest, **options)
        if id(executable) in _MODULES and len(executable.local_devices()) == 1:
            source, avals = _MODULES[id(executable)][0], self.out_handler.out_avals
            self.xla_executable = Executable(executable, source, avals)

    mlir.refine_polymorphic_shapes = refine
    compiler.backend_compile_and_load = compile_and_load
    pxla.ExecuteReplicated.__init__ = init
    # The fast path hands XLA's executable to C++, past us.
    pjit._get_fastpath_data = lambda *_, **__: None
