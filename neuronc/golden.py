"""Golden outputs: a program, inputs, and what a reference computed, kept to check against.

DIR/program.mlir     the program, as it was given
DIR/inputs.npz       arg0, arg1, ...
DIR/expected.npz     out0, out1, ... of the reference; neuronc never writes its own numbers here
DIR/manifest.json    who computed them, tolerances, and the SHA-256 of the other three
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.func import FuncOp

from neuronc.api import compile
from neuronc.arrays import in_order, random_inputs, read_inputs, read_npz, write_npz
from neuronc.artifact.model import TensorInfo
from neuronc.artifact.output import new_file
from neuronc.backend.assemble import signature
from neuronc.dtypes import BY_NAME
from neuronc.errors import InputError
from neuronc.frontend.load import load_module
from neuronc.frontend.source import Source, is_program_text, read_program
from neuronc.golden_compare import Difference, Tolerance, compare, default_tolerance
from neuronc.golden_manifest import (
    EXPECTED,
    INPUTS,
    PROGRAM,
    Manifest,
    Output,
    file_sha256,
    read_manifest,
    write_manifest,
)
from neuronc.golden_reference import bytecode, jax_provenance, run_jax
from neuronc.hardware import DEFAULT_TARGET
from neuronc.runtime.load import load

Array = NDArray[np.generic]
FilePath = str | os.PathLike[str]
Arrays = FilePath | Sequence[Array]
"""A `.npz` file, or the arrays in order."""

REFERENCES = ("jax", "files")


@dataclass(frozen=True)
class Result:
    """One output, measured."""

    output: Output
    difference: Difference

    @property
    def ok(self) -> bool:
        """Whether every element is within the tolerance."""
        return self.difference.outside == 0

    def __str__(self) -> str:
        """Render as one line, and where it moved most if it did."""
        output, d, limit = self.output, self.difference, self.output.tolerance
        shape = "x".join(map(str, (*output.shape, output.dtype)))
        measured = f"{d.ulp:.6g} ulp, {d.relative:.2g} of the largest"
        allowed = f"(allowed: {limit.ulp:g} ulp or {limit.relative:.2g})"
        line = f"{output.name} {shape}: {'ok' if self.ok else 'moved'}, {measured} {allowed}"
        if self.ok:
            return line
        count = f"{d.outside} of {prod(output.shape)} elements"
        return f"{line}\n  {count}; at {list(d.worst)} it is {d.found} instead of {d.expected}"


@dataclass(frozen=True)
class Report:
    """What moved since the reference was recorded; `print` it."""

    directory: str
    results: tuple[Result, ...]

    @property
    def ok(self) -> bool:
        """Whether all outputs are within their tolerances."""
        return all(result.ok for result in self.results)

    def __str__(self) -> str:
        """Render all outputs, and the sum of them in the last line."""
        moved = sum(not result.ok for result in self.results)
        end = f"{moved} of {len(self.results)} outputs moved" if moved else "ok"
        return "\n".join([*map(str, self.results), f"{self.directory}: {end}"])


def record(
    module: Source,
    directory: FilePath,
    *,
    reference: str = "jax",
    seed: int = 0,
    inputs: Arrays | None = None,
    expected: Arrays | None = None,
    tolerances: Mapping[str, Tolerance] | None = None,
    origin: str = "",
) -> Manifest:
    """Run the reference and keep what it computed.

    Without `inputs`, they are random. The reference "jax" is XLA on the CPU; "files" takes
    `expected` as given, and `origin` should say who computed it. `tolerances` are by output, as
    out0 or by name; others get the default of their element type.

    Raises:
        NeuroncError: something given is damaged or does not fit together, the reference fails, or
            a file cannot be written.
    """
    program, name = _program(module)
    arguments, results = _signature(program, name)
    given = random_inputs(arguments, seed)
    if inputs is not None:
        given = _arrays(inputs, arguments, "arg", "inputs")
    if reference == "jax" and expected is None:
        values = run_jax(read_program(program, name).module, given, name)
        origins = jax_provenance()
    elif reference == "files" and expected is not None:
        values, origins = list(_arrays(expected, results, "out", "expected")), {"name": "files"}
    else:
        hint = f'"jax" computes the outputs, "files" needs them; known: {", ".join(REFERENCES)}'
        raise InputError("reference", f"{reference!r} cannot be used so", hint, code="NRC-0801")
    outputs = _outputs(results, tolerances or {})
    origins["inputs"] = f"random, seed {seed}" if inputs is None else "given"
    origins |= {"origin": origin} if origin else {}
    return _write(Path(directory), program, given, values, outputs, origins)


def check(directory: FilePath, target: str = DEFAULT_TARGET) -> Report:
    """Compile and run a recorded program, and compare its outputs with the reference's.

    Raises:
        NeuroncError: the recording is damaged, or the program does not compile or run.
    """
    folder = Path(directory)
    manifest = read_manifest(folder)
    infos = [TensorInfo(o.name, o.shape, o.dtype) for o in manifest.outputs]
    expected = in_order(read_npz(folder / EXPECTED), infos, "out", str(folder / EXPECTED))
    program = load(bytes(compile(folder / PROGRAM, target)))
    found = program(*read_inputs(folder / INPUTS, program.signature.inputs))
    if [(a.shape, a.dtype) for a in found] != [(a.shape, a.dtype) for a in expected]:
        problem = "the program does not have the outputs that were recorded"
        raise InputError(str(folder), problem, code="NRC-0802")
    results = [
        Result(output, compare(one, two, output.tolerance))
        for output, one, two in zip(manifest.outputs, found, expected, strict=True)
    ]
    return Report(os.fspath(directory), tuple(results))


def _program(module: Source) -> tuple[bytes, str]:
    """The program as a file holds it, and what to call it."""
    if isinstance(module, bytes):
        return module, "<string>"
    if isinstance(module, str) and is_program_text(module):
        return module.encode(), "<string>"
    if isinstance(module, str | os.PathLike):
        path = os.fspath(module)
        try:
            return Path(path).read_bytes(), path
        except OSError as error:
            problem = f"cannot read: {error.strerror or error}"
            raise InputError(path, problem, code="NRC-0101") from error
    return bytecode(read_program(module, "<module>").module), "<module>"


def _signature(program: bytes, name: str) -> tuple[tuple[TensorInfo, ...], tuple[TensorInfo, ...]]:
    module = load_module(program, name=name)
    main = next(op for op in module.body.block.ops if isinstance(op, FuncOp))
    return signature(main)


def _arrays(given: Arrays, infos: Sequence[TensorInfo], prefix: str, what: str) -> list[Array]:
    if isinstance(given, str | os.PathLike):
        return in_order(read_npz(given), infos, prefix, os.fspath(given))
    return in_order({f"{prefix}{i}": a for i, a in enumerate(given)}, infos, prefix, what)


def _outputs(
    infos: Sequence[TensorInfo], tolerances: Mapping[str, Tolerance]
) -> tuple[Output, ...]:
    names = {f"out{i}": info.name for i, info in enumerate(infos)}
    unknown = sorted(set(tolerances) - set(names) - set(names.values()))
    if unknown:
        hint = f"known: {', '.join(names)}"
        problem = f"there is no output {unknown[0]!r}"
        raise InputError("tolerances", problem, hint, code="NRC-0803")
    outputs: list[Output] = []
    for key, info in zip(names, infos, strict=True):
        default = default_tolerance(BY_NAME[info.dtype])
        tolerance = tolerances.get(key, tolerances.get(info.name, default))
        outputs.append(Output(info.name, info.shape, info.dtype, tolerance))
    return tuple(outputs)


def _write(
    folder: Path,
    program: bytes,
    inputs: Sequence[Array],
    expected: Sequence[Array],
    outputs: tuple[Output, ...],
    provenance: dict[str, str],
) -> Manifest:
    """The manifest last, so that an interrupted recording is seen."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        problem = f"cannot write: {error.strerror or error}"
        raise InputError(str(folder), problem, code="NRC-0605") from error
    with new_file(folder / PROGRAM) as file:
        file.write(program)
    write_npz(folder / INPUTS, {f"arg{i}": array for i, array in enumerate(inputs)})
    write_npz(folder / EXPECTED, {f"out{i}": array for i, array in enumerate(expected)})
    hashes = {name: file_sha256(folder / name) for name in (PROGRAM, INPUTS, EXPECTED)}
    manifest = Manifest(outputs, provenance, hashes)
    write_manifest(folder, manifest)
    return manifest
