"""Which engines ran each op: the lines of the program's ops, met with the artifact's records.

    {"stablehlo.add": {"f32": ["vector", "dma"], "i64": ["library"]}, ...}

An op that left no record of its own (a view, a constant, something folded or merged into its
neighbour) has an empty list.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from jaxlib.mlir import ir

from neuronc.artifact.model import Artifact
from neuronc.frontend.locations import Locations
from neuronc.frontend.mlir import name_of, operations
from neuronc.frontend.source import read_program
from neuronc.isa.instructions import Library
from neuronc.isa.table import DMA_QUEUES, Engine

Coverage = dict[str, dict[str, set[str]]]
Seen = tuple[str, str, tuple[str, ...]]
"""An op, its element type, and the engines that ran its line."""

ORDER = ("tensor", "vector", "scalar", "gpsimd", "dma", "library")
_PREDICATED = frozenset(("stablehlo.select", "stablehlo.if", "stablehlo.case", "stablehlo.clamp"))


def ops_seen(program: str, name: str, artifact: Artifact) -> list[Seen]:
    """Every op of a program, before anything was rewritten, with what ran it."""
    engines = _engines_by_line(artifact)
    return [(op, kind, tuple(engines.get(line, ()))) for op, kind, line in _ops(program, name)]


def merge(coverage: Coverage, seen: list[Seen]) -> None:
    """Add what one program showed."""
    for op, kind, engines in seen:
        coverage.setdefault(op, {}).setdefault(kind, set()).update(engines)


def as_json(coverage: Coverage) -> dict[str, dict[str, list[str]]]:
    """Sorted lists, engines in the order of the machine."""
    return {
        op: {k: sorted(kinds[k], key=ORDER.index) for k in sorted(kinds)}
        for op, kinds in sorted(coverage.items())
    }


def _ops(program: str, name: str) -> Iterator[tuple[str, str, str]]:
    """(op, element type, source line) of every op of the source."""
    module = read_program(program, name).module
    locations = Locations(name)
    for op in operations(module.operation):
        if name_of(op).startswith(("stablehlo.", "chlo.")) and not name_of(op).endswith(".return"):
            yield name_of(op), _kind(op), locations.line(op.location)


def _kind(op: ir.Operation) -> str:
    """Element type of the first operand that is data, else of the first result."""
    operands = list(op.operands)[1:] if name_of(op) in _PREDICATED else list(op.operands)
    for value in (*operands, *op.results):
        if isinstance(value.type, ir.RankedTensorType):
            text = str(value.type.element_type)
            return text if not text.startswith("!quant") else _quantised(text)
    return "none"


def _quantised(text: str) -> str:
    """`!quant.uniform<i8:f32, ..>` by its storage type, per axis or not."""
    storage = text.partition("<")[2].partition(":")[0]
    return f"quant {storage}" + (" per axis" if "{" in text else "")


def _engines_by_line(artifact: Artifact) -> dict[str, set[str]]:
    """Every engine with a record of the line; a library instruction counts as `library`."""
    found: dict[str, set[str]] = defaultdict(set)
    for kernel in artifact.kernels:
        for engine, stream in kernel.streams.items():
            pairs = zip(stream["opcode"].tolist(), stream["source"].tolist(), strict=True)
            for opcode, source in set(pairs):
                found[artifact.sources[source][0]].add(_name(engine, opcode))
    return found


def _name(engine: Engine, opcode: int) -> str:
    if engine in DMA_QUEUES:
        return "dma"
    return "library" if opcode == Library.opcode else engine.name.lower()
