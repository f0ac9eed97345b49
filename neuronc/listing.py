"""An artifact as text: what is in it, and its instructions with their source lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict

from neuronc.artifact.constants import nbytes
from neuronc.artifact.model import Artifact, Constant, Kernel, TensorInfo
from neuronc.errors import InputError
from neuronc.isa.instructions import Library
from neuronc.isa.records import Record, decode, disassemble
from neuronc.isa.table import ENGINES, Engine
from neuronc.report import count_calls, report_of
from neuronc.units import format_bytes, format_count, format_seconds

_NAMED_MAX = 8
"""How many kernels a message names."""


def inspect(artifact: Artifact) -> str:
    """Signature, constants, kernels, cost and provenance, as text."""
    lines = [
        *_section("inputs", [_signature_line(i, t) for i, t in enumerate(artifact.inputs)]),
        *_section("outputs", [_signature_line(i, t) for i, t in enumerate(artifact.outputs)]),
        *_section("constants", _constant_lines(artifact.constants)),
        *_section("kernels", _kernel_lines(artifact)),
        *_section("cost", str(report_of(artifact)).split("\n")),
        *_section("provenance", [f"  {k:<20}{v}" for k, v in artifact.provenance.items()]),
    ]
    return "\n".join(lines)


def inspect_dict(artifact: Artifact) -> dict[str, object]:
    """The same for programs, as JSON holds it."""
    calls = count_calls(artifact)
    return {
        "target": artifact.target,
        "inputs": [asdict(info) for info in artifact.inputs],
        "outputs": [asdict(info) for info in artifact.outputs],
        "constants": [_constant_dict(constant) for constant in artifact.constants],
        "kernels": [_kernel_dict(k, calls[i]) for i, k in enumerate(artifact.kernels)],
        "report": report_of(artifact).to_dict(),
        "provenance": artifact.provenance,
    }


def disassembly(artifact: Artifact, kernel: str = "", engine: str = "") -> Iterator[str]:
    """The lines of the code: all of it, or one kernel (by name or number), or one engine.

    Raises:
        InputError: there is no such kernel or engine.
    """
    engines = ENGINES if not engine else [_engine(engine)]
    calls = count_calls(artifact)
    for index in _kernel_indices(artifact, kernel):
        count = "once" if calls[index] == 1 else f"{calls[index]} times"
        yield f"{_kernel_head(index, artifact.kernels[index])}, called {count}"
        yield from _kernel_code(artifact.kernels[index], engines, artifact.sources)


def _section(title: str, lines: Sequence[str]) -> list[str]:
    return [title, *(lines or ["  none"])]


def _signature_line(index: int, info: TensorInfo) -> str:
    donated = f"  donated to output {info.donated}" if info.donated >= 0 else ""
    return f"  {index:>3}  {info.dtype}{list(info.shape)}  {info.name}{donated}"


def _constant_lines(constants: Sequence[Constant]) -> list[str]:
    inside = [c for c in constants if not c.external]
    lines = [f"  {len(inside)} in the file, {_size(inside)}"] if inside else []
    outside = [c for c in constants if c.external]
    if outside:
        lines.append(f"  {len(outside)} external, {_size(outside)}")
    lines += [f"    {c.external}  {c.dtype}{list(c.shape)}" for c in outside]
    return lines


def _size(constants: Sequence[Constant]) -> str:
    return format_bytes(sum(nbytes(c.shape, c.dtype) for c in constants))


def _constant_dict(constant: Constant) -> dict[str, object]:
    return {
        "shape": list(constant.shape),
        "dtype": constant.dtype,
        "external": constant.external,
        "sha256": constant.sha256,
    }


def _kernel_lines(artifact: Artifact) -> list[str]:
    calls = count_calls(artifact)
    heads = "     kernel              calls  records   FLOPs      HBM         time"
    rows = [_kernel_line(i, kernel, calls[i]) for i, kernel in enumerate(artifact.kernels)]
    return [heads, *rows] if rows else []


def _kernel_line(index: int, kernel: Kernel, calls: int) -> str:
    flops, moved = format_count(kernel.flops), format_bytes(kernel.hbm_bytes)
    cost = f"{_records(kernel):<8}  {flops:<9}  {moved:<10}  {format_seconds(kernel.seconds)}"
    return f"  {index:>3}  {kernel.name:<18}  {calls:<5}  {cost}"


def _kernel_dict(kernel: Kernel, calls: int) -> dict[str, object]:
    return {
        "name": kernel.name,
        "calls": calls,
        "records": {e.name.lower(): len(kernel.streams[e]) for e in sorted(kernel.streams)},
        "library": [call.function for call in kernel.library],
        "sbuf_bytes": kernel.sbuf_bytes,
        "psum_bytes": kernel.psum_bytes,
        "flops": kernel.flops,
        "library_flops": kernel.library_flops,
        "hbm_bytes": kernel.hbm_bytes,
        "seconds": kernel.seconds,
    }


def _records(kernel: Kernel) -> int:
    return sum(len(stream) for stream in kernel.streams.values())


def _kernel_indices(artifact: Artifact, kernel: str) -> Sequence[int]:
    names = [k.name for k in artifact.kernels]
    if not kernel:
        return range(len(names))
    if kernel in names:
        return [names.index(kernel)]
    if kernel.isdecimal() and int(kernel) < len(names):
        return [int(kernel)]
    known = ", ".join(names[:_NAMED_MAX]) + (", ..." if len(names) > _NAMED_MAX else "")
    hint = f"known: {known}; `neuronc inspect` lists them with their numbers"
    raise InputError("kernel", f"there is no {kernel!r}", hint, code="NRC-0701")


def _engine(name: str) -> Engine:
    known = {engine.name.lower(): engine for engine in ENGINES}
    if name not in known:
        hint = f"known: {', '.join(known)}"
        raise InputError("engine", f"there is no {name!r}", hint, code="NRC-0702")
    return known[name]


def _kernel_head(index: int, kernel: Kernel) -> str:
    return f"kernel {index} {kernel.name}: {kernel.buffers} buffers, writes {list(kernel.written)}"


def _kernel_code(
    kernel: Kernel, engines: Sequence[Engine], sources: Sequence[tuple[str, str]]
) -> Iterator[str]:
    for engine in engines:
        if engine not in kernel.streams:
            continue
        yield f"  {engine.name.lower()}"
        for number, record in enumerate(decode(kernel.streams[engine])):
            yield f"    {number + 1:>5}  {disassemble(record)}{_note(record, kernel, sources)}"


def _note(record: Record, kernel: Kernel, sources: Sequence[tuple[str, str]]) -> str:
    """Behind a record: the library function, the StableHLO op and the user's line."""
    instr = record.instruction
    function = kernel.library[instr.call].function if isinstance(instr, Library) else ""
    line, op = sources[record.source] if record.source < len(sources) else ("", "")
    words = " ".join(word for word in (function, op, line) if word)
    return f"  ; {words}" if words else ""
