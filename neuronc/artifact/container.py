"""Write an artifact to a file, and read it back by mapping the file.

Same artifact, same bytes. Loading verifies everything but the elements of the constants, which
stay in the file until they are used; `check=True` verifies those too. docs/neff.md has the format
byte by byte.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from neuronc.artifact.checks import check_artifact, check_constants
from neuronc.artifact.codec import DAMAGED, decode, encode
from neuronc.artifact.constants import hashed, section_bytes, view_elements, write_elements
from neuronc.artifact.mapping import map_file
from neuronc.artifact.model import Artifact, Buffer, Constant, Kernel, TensorInfo
from neuronc.artifact.output import new_file
from neuronc.artifact.program import decode_program, encode_program
from neuronc.artifact.sections import (
    Section,
    SectionKind,
    decode_frame,
    encode_frame,
    payload,
    place,
    title,
)
from neuronc.errors import ArtifactError
from neuronc.isa.records import stream_dtype
from neuronc.isa.table import ENGINES, Engine, record_bytes

Path = str | os.PathLike[str]
Data = bytes | bytearray | memoryview
Piece = bytes | memoryview

TABLES = {
    SectionKind.KERNELS: tuple[Kernel, ...],
    SectionKind.BUFFERS: tuple[Buffer, ...],
    SectionKind.CONSTANT_TABLE: tuple[Constant, ...],
    SectionKind.DEBUG_MAP: tuple[tuple[str, str], ...],
}
"""What the sections hold that are one list each; METADATA holds a Metadata, PROGRAM words."""


@dataclass(frozen=True)
class Metadata:
    """What the artifact is and how it is called."""

    target: str
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    temporary_bytes: int
    provenance: dict[str, str]


def write(artifact: Artifact, path: Path) -> None:
    """Write a file, whole or not at all.

    Raises:
        InputError: the file cannot be written.
    """
    with new_file(path) as file:
        for piece in _pieces(artifact):
            file.write(piece)


def to_bytes(artifact: Artifact) -> bytes:
    """Encode in memory what `write` writes."""
    return b"".join(_pieces(artifact))


def read(source: Path | Data, *, check: bool = False) -> Artifact:
    """Read the file at a path, or bytes; the constants are views of it.

    Raises:
        InputError: there is no such file.
        ArtifactError: it is damaged; with `check`, also the elements of the constants.
    """
    if isinstance(source, Data):
        return _decode(memoryview(source).cast("B").toreadonly(), "<bytes>", check)
    return _decode(map_file(source), os.fspath(source), check)


def verify(source: Path | Data) -> Artifact:
    """Read a file and check every byte of it.

    Raises:
        InputError: there is no such file.
        ArtifactError: it is damaged.
    """
    return read(source, check=True)


def _pieces(artifact: Artifact) -> Iterator[Piece]:
    """The bytes of the file, in order; constants are not copied."""
    table = tuple(hashed(c, f"constant {i}") for i, c in enumerate(artifact.constants))
    bodies = [*_bodies(replace(artifact, constants=table))]
    constants = Section(SectionKind.CONSTANTS, 0, 0, 0, section_bytes(table), 0, 0)
    placed = place([*(section for section, _ in bodies), constants])
    frame = encode_frame(placed)
    yield frame
    at = len(frame)
    for section, (_, body) in zip(placed, bodies, strict=False):
        yield bytes(section.offset - at)
        yield body
        at = section.offset + section.bytes
    yield bytes(placed[-1].offset - at)
    yield from write_elements(table)


def _bodies(artifact: Artifact) -> Iterator[tuple[Section, Piece]]:
    """The sections before the constants, not yet placed."""
    yield _section(SectionKind.METADATA, encode(Metadata, _metadata(artifact)))
    yield _section(SectionKind.KERNELS, encode(TABLES[SectionKind.KERNELS], artifact.kernels))
    yield _section(SectionKind.BUFFERS, encode(TABLES[SectionKind.BUFFERS], artifact.buffers))
    yield _section(SectionKind.PROGRAM, encode_program(artifact.program))
    table = encode(TABLES[SectionKind.CONSTANT_TABLE], artifact.constants)
    yield _section(SectionKind.CONSTANT_TABLE, table)
    yield _section(SectionKind.DEBUG_MAP, encode(TABLES[SectionKind.DEBUG_MAP], artifact.sources))
    for index, kernel in enumerate(artifact.kernels):
        for engine, stream in sorted(kernel.streams.items()):
            size = record_bytes(engine)
            assert stream.dtype.itemsize == size
            body = np.ascontiguousarray(stream).reshape(-1).view(np.uint8).data
            yield _section(SectionKind.CODE, body, engine, index, size)


def _section(
    kind: SectionKind, body: Piece, engine: int = 0, kernel: int = 0, record: int = 0
) -> tuple[Section, Piece]:
    return Section(kind, engine, kernel, 0, len(body), zlib.crc32(body), record), body


def _metadata(artifact: Artifact) -> Metadata:
    return Metadata(
        target=artifact.target,
        inputs=artifact.inputs,
        outputs=artifact.outputs,
        temporary_bytes=artifact.temporary_bytes,
        provenance=artifact.provenance,
    )


def _decode(data: memoryview, name: str, check: bool) -> Artifact:
    table = decode_frame(data, name)
    only = _single_sections(table, name)

    def body(kind: SectionKind) -> tuple[memoryview, str]:
        return payload(data, only[kind]), title(name, only[kind])

    metadata = decode(Metadata, *body(SectionKind.METADATA))
    kernels = decode(tuple[Kernel, ...], *body(SectionKind.KERNELS))
    constants = decode(tuple[Constant, ...], *body(SectionKind.CONSTANT_TABLE))
    check_constants(constants, metadata.target, name)
    artifact = Artifact(
        target=metadata.target,
        inputs=metadata.inputs,
        outputs=metadata.outputs,
        kernels=_with_streams(kernels, data, table, name),
        buffers=decode(tuple[Buffer, ...], *body(SectionKind.BUFFERS)),
        temporary_bytes=metadata.temporary_bytes,
        program=decode_program(*body(SectionKind.PROGRAM)),
        constants=view_elements(constants, *body(SectionKind.CONSTANTS), check),
        sources=decode(tuple[tuple[str, str], ...], *body(SectionKind.DEBUG_MAP)),
        provenance=metadata.provenance,
    )
    check_artifact(artifact, name)
    return artifact


def _single_sections(table: Sequence[Section], name: str) -> dict[int, Section]:
    """The sections that are there exactly once, by kind."""
    found: dict[int, Section] = {}
    for section in table:
        if section.kind in found and section.kind != SectionKind.CODE:
            raise ArtifactError(title(name, section), "is there twice", DAMAGED, code="NRC-0405")
        found[section.kind] = section
    for kind in SectionKind:
        if kind not in found and kind != SectionKind.CODE:
            raise ArtifactError(
                name, f"section {kind.name.lower()} is missing", DAMAGED, code="NRC-0405"
            )
    return found


def _with_streams(
    kernels: Sequence[Kernel], data: memoryview, table: Sequence[Section], name: str
) -> tuple[Kernel, ...]:
    streams: list[dict[Engine, np.ndarray]] = [{} for _ in kernels]
    for section in table:
        if section.kind == SectionKind.CODE:
            _add_stream(streams, section, payload(data, section), title(name, section))
    pairs = zip(kernels, streams, strict=True)
    return tuple(replace(kernel, streams=streams) for kernel, streams in pairs)


def _add_stream(
    streams: list[dict[Engine, np.ndarray]], section: Section, body: memoryview, where: str
) -> None:
    if section.engine >= len(ENGINES) or section.kernel >= len(streams):
        problem = f"belongs to engine {section.engine} of kernel {section.kernel}, which is none"
        raise ArtifactError(where, problem, DAMAGED, code="NRC-0405")
    engine = ENGINES[section.engine]
    if engine in streams[section.kernel]:
        raise ArtifactError(
            where, f"kernel {section.kernel} has two of {engine.name}", DAMAGED, code="NRC-0405"
        )
    size = record_bytes(engine)
    if section.record_bytes != size or len(body) % size:
        problem = f"{len(body)} bytes in records of {section.record_bytes}"
        raise ArtifactError(
            where, f"{problem}, {engine.name} records have {size}", DAMAGED, code="NRC-0405"
        )
    streams[section.kernel][engine] = np.frombuffer(body, stream_dtype(engine))
