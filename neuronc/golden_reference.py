"""What a program computes according to JAX: XLA on the CPU, running the StableHLO module itself.

Nothing of neuronc but the reader of the file's format takes part.
"""

# pyright: reportUnknownMemberType=false
# Parts of jax are not annotated.

from __future__ import annotations

import io
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Protocol, cast

import jax
import numpy as np
from jaxlib.mlir import ir
from numpy.typing import NDArray

from neuronc.errors import InputError

Array = NDArray[np.generic]
_CPU_FEATURES = {"avx", "avx2", "avx512f", "amx_tile", "fma", "asimd", "sve"}
"""What XLA's choice of instructions, and with it the rounding of sums, depends on."""


class _Results(Protocol):
    def disassemble_into_single_device_arrays(self) -> Sequence[Sequence[jax.Array]]: ...


class _Executable(Protocol):
    def execute_sharded(self, arguments: Sequence[jax.Array]) -> _Results: ...


class _Client(Protocol):
    def compile_and_load(self, computation: bytes, devices: Sequence[object]) -> _Executable: ...


class _Device(Protocol):
    client: _Client


class _Writable(Protocol):
    def write_bytecode(self, file: object) -> None: ...


def run_jax(module: ir.Module, inputs: Sequence[Array], where: str) -> list[Array]:
    """Run the module's `@main` on the inputs.

    Raises:
        InputError: XLA refuses the module or fails to run it.
    """
    devices = cast("list[_Device]", jax.local_devices(backend="cpu"))
    try:
        executable = devices[0].client.compile_and_load(bytecode(module), devices[:1])
        with jax.enable_x64(True), jax.default_device("cpu"):
            arguments = [jax.device_put(array) for array in inputs]
        results = executable.execute_sharded(arguments).disassemble_into_single_device_arrays()
        return [np.asarray(shards[0]) for shards in results]
    except RuntimeError as error:
        problem = f"the reference does not run it: {str(error).splitlines()[0]}"
        hint = "record it with `--reference files`, and outputs from elsewhere"
        raise InputError(where, problem, hint, code="NRC-0806") from error


def jax_provenance() -> dict[str, str]:
    """What the reference's numbers depend on besides the program and its inputs."""
    return {
        "name": "jax",
        "jax": version("jax"),
        "jaxlib": version("jaxlib"),
        "machine": platform.machine(),
        "features": " ".join(_cpu_features()),
    }


def bytecode(module: ir.Module) -> bytes:
    """The module as MLIR bytecode."""
    file = io.BytesIO()
    cast(_Writable, module.operation).write_bytecode(file)
    return file.getvalue()


def _cpu_features() -> list[str]:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return []
    lines = [line for line in text.splitlines() if line.startswith(("flags", "Features"))]
    return sorted(_CPU_FEATURES.intersection(lines[0].split())) if lines else []
