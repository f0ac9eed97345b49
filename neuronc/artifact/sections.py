"""The frame of the file: a header, a table of sections, and the sections at their places.

    header   32 bytes: magic, version, number of sections, bytes of the file, two checksums
    table    32 bytes a section: kind, whose code it is, place, size, checksum
    sections in the order of the table, each at the next multiple of its alignment, zeros between

So every byte of the file has one place it can be, and a reader needs no guesses.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from neuronc.artifact.codec import DAMAGED
from neuronc.errors import ArtifactError

MAGIC = b"NRNC\r\n\x1a\n"
"""As PNG's: a transfer that changes line ends or stops at a control character shows at once."""
VERSION = (1, 0)
"""Major: other readers refuse. Minor: there are new sections, which a reader may skip."""
SECTION_ALIGNMENT = 64
PAGE_BYTES = 4096
HEADER = struct.Struct("<8sHHIQII")
ENTRY = struct.Struct("<HHIQQII")
_HEADER_CRC_OFFSET = HEADER.size - 4


class SectionKind(IntEnum):
    """What a section holds; all but CODE are there exactly once."""

    METADATA = 1
    KERNELS = 2
    BUFFERS = 3
    PROGRAM = 4
    CONSTANT_TABLE = 5
    DEBUG_MAP = 6
    CODE = 7
    CONSTANTS = 8


@dataclass(frozen=True)
class Section:
    """One row of the table. Only CODE has a kernel, an engine and records; CONSTANTS has no CRC."""

    kind: int
    engine: int
    kernel: int
    offset: int
    bytes: int
    crc32: int
    record_bytes: int


def aligned(offset: int, alignment: int) -> int:
    """Round up to a multiple."""
    return -(-offset // alignment) * alignment


def alignment_of(kind: int) -> int:
    """Where sections of a kind may start."""
    return PAGE_BYTES if kind == SectionKind.CONSTANTS else SECTION_ALIGNMENT


def place(sections: Sequence[Section]) -> list[Section]:
    """Give every section its offset."""
    at = HEADER.size + ENTRY.size * len(sections)
    placed: list[Section] = []
    for s in sections:
        at = aligned(at, alignment_of(s.kind))
        placed.append(Section(s.kind, s.engine, s.kernel, at, s.bytes, s.crc32, s.record_bytes))
        at += s.bytes
    return placed


def encode_frame(placed: Sequence[Section]) -> bytes:
    """Encode header and table."""
    table = b"".join(
        ENTRY.pack(s.kind, s.engine, s.kernel, s.offset, s.bytes, s.crc32, s.record_bytes)
        for s in placed
    )
    size = placed[-1].offset + placed[-1].bytes
    header = HEADER.pack(MAGIC, *VERSION, len(placed), size, zlib.crc32(table), 0)
    header = header[:_HEADER_CRC_OFFSET]
    return header + struct.pack("<I", zlib.crc32(header)) + table


def decode_frame(data: memoryview, name: str) -> list[Section]:
    """Check header, table, places, padding and checksums; return the table.

    Raises:
        ArtifactError: any of them is wrong.
    """
    count, table_crc = _decode_header(data, name)
    where = f"{name}: section table"
    end = HEADER.size + ENTRY.size * count
    if end > len(data):
        raise ArtifactError(
            where, f"{count} sections do not fit in {len(data)} bytes", DAMAGED, code="NRC-0403"
        )
    table = data[HEADER.size : end]
    if zlib.crc32(table) != table_crc:
        raise ArtifactError(where, "checksum does not match", DAMAGED, code="NRC-0404")
    sections = [Section(*row) for row in ENTRY.iter_unpack(table)]
    _check_places(data, sections, end, name)
    for s in sections:
        if s.kind != SectionKind.CONSTANTS and zlib.crc32(payload(data, s)) != s.crc32:
            raise ArtifactError(title(name, s), "checksum does not match", DAMAGED, code="NRC-0404")
    return sections


def payload(data: memoryview, section: Section) -> memoryview:
    """The bytes of a section."""
    return data[section.offset : section.offset + section.bytes]


def title(name: str, section: Section) -> str:
    """How messages call a section."""
    known = section.kind in set(SectionKind)
    kind = SectionKind(section.kind).name.lower() if known else f"section kind {section.kind}"
    return f"{name}: {kind.replace('_', ' ')}"


def _decode_header(data: memoryview, name: str) -> tuple[int, int]:
    where = f"{name}: header"
    hint = "this is not a neuronc artifact; make one with `neuronc compile`"
    if bytes(data[: len(MAGIC)]) != MAGIC[: len(data)] or not len(data):
        raise ArtifactError(
            where, f"wrong magic {bytes(data[: len(MAGIC)])!r}", hint, code="NRC-0401"
        )
    if len(data) < HEADER.size:
        raise ArtifactError(where, f"file ends after {len(data)} bytes", DAMAGED, code="NRC-0403")
    _, major, minor, count, size, table_crc, crc = HEADER.unpack_from(data)
    if major != VERSION[0]:
        problem = f"format version is {major}.{minor}, this neuronc reads {VERSION[0]}.x"
        raise ArtifactError(
            where, problem, "use the neuronc that wrote it, or compile again", code="NRC-0402"
        )
    if zlib.crc32(data[:_HEADER_CRC_OFFSET]) != crc:
        raise ArtifactError(where, "checksum does not match", DAMAGED, code="NRC-0404")
    if size != len(data):
        raise ArtifactError(
            where, f"file has {len(data)} bytes, {size} were written", DAMAGED, code="NRC-0403"
        )
    return count, table_crc


def _check_places(data: memoryview, sections: list[Section], end: int, name: str) -> None:
    """Each section starts at the next aligned place, and zeros fill the gap."""
    for s in sections:
        start = aligned(end, alignment_of(s.kind))
        if s.offset != start or s.bytes > len(data) - start:
            problem = f"{s.bytes} bytes at {s.offset:#x} do not fit the file"
            raise ArtifactError(title(name, s), problem, DAMAGED, code="NRC-0403")
        if any(data[end:start]):
            raise ArtifactError(
                title(name, s), "the padding before it is not zero", DAMAGED, code="NRC-0405"
            )
        end = start + s.bytes
    if end != len(data):
        problem = f"{len(data) - end} bytes belong to no section"
        raise ArtifactError(f"{name}: section table", problem, DAMAGED, code="NRC-0403")
