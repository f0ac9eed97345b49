"""Fill in the generated parts of docs/neff.md: `python docs/neff.py`.

The layouts are read off the code that writes the file, and the example is a file that it wrote,
taken apart field by field; tests/artifact/test_docs.py fails when the page is out of date.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import is_dataclass
from pathlib import Path
from typing import get_args, get_type_hints

import numpy as np

from neuronc.artifact import container
from neuronc.artifact.codec import encode, record_fields
from neuronc.artifact.model import (
    Artifact,
    Buffer,
    BufferKind,
    Call,
    Constant,
    Kernel,
    LibraryCall,
    LibraryOperand,
    TensorInfo,
)
from neuronc.artifact.sections import ENTRY, HEADER, Section, SectionKind, decode_frame
from neuronc.dtypes import BY_NAME, ELEMENT_TYPES
from neuronc.isa.instructions import DmaCopy
from neuronc.isa.operands import OPERAND, Memory, Operand
from neuronc.isa.records import Record
from neuronc.isa.records import encode as encode_records
from neuronc.isa.table import ENGINES, INSTRUCTIONS, Engine, record_bytes

PAGE = Path(__file__).with_name("neff.md")
RECORDS = (container.Metadata, TensorInfo, Kernel, LibraryCall, LibraryOperand, Buffer, Constant)
HEADER_FIELDS = (
    "magic",
    "major",
    "minor",
    "sections",
    "file bytes",
    "table CRC-32",
    "header CRC-32",
)
ENTRY_FIELDS = ("kind", "engine", "kernel", "offset", "bytes", "CRC-32", "record bytes")
BYTES_PER_LINE = 16
Line = tuple[int, bytes, str]
"""Where, which bytes, what they are."""


def example() -> Artifact:
    """One input, one constant, one output, and one record that copies the constant out."""
    kernel = Kernel("copy", 2, {}, hbm_bytes=16, seconds=2.17e-6, written=(1,))
    words = [Operand(Memory.HBM, BY_NAME["f32"].code, 0, (1,), (2,), buffer=i) for i in (0, 1)]
    record = Record(DmaCopy(words[1], words[0], 0), (0,) * len(ENGINES), 0)
    kernel.streams[Engine.DMA_IN] = encode_records([record], Engine.DMA_IN)
    weights = np.array([1.0, -2.0], np.float32)
    return Artifact(
        target="trn2",
        inputs=(TensorInfo("x", (), "i32"),),
        outputs=(TensorInfo("out0", (2,), "f32"),),
        kernels=(kernel,),
        buffers=(
            Buffer(BufferKind.CONSTANT, 0, 0, 8, "f32", (2,)),
            Buffer(BufferKind.OUTPUT, 0, 0, 8, "f32", (2,)),
        ),
        temporary_bytes=0,
        program=(Call(0, (0, 1)),),
        constants=(Constant(weights, "f32", (2,)),),
        sources=(("f.py:2", "stablehlo.add"),),
        provenance={"compiler": "neuronc 0.1.0"},
    )


def generated() -> dict[str, str]:
    """The text of each generated part."""
    return {
        "kinds": table(("kind", "section"), [(str(k.value), f"`{k.name}`") for k in SectionKind]),
        "records": "\n\n".join(map(record_table, RECORDS)),
        "types": table(
            ("code", "name", "bytes"),
            [(str(r.code), f"`{r.name}`", str(r.bytes)) for r in ELEMENT_TYPES],
        ),
        "engines": table(
            ("number", "engine", "bytes of a record"),
            [(str(e.value), f"`{e.name}`", str(record_bytes(e))) for e in ENGINES],
        ),
        "operand": table(
            ("offset", "field", "type"), [(str(at), f"`{n}`", t) for at, n, t in members(OPERAND)]
        ),
        "example": f"```text\n{dump(example())}\n```",
    }


def fill(page: str) -> str:
    """The page with its generated parts made anew."""
    for name, text in generated().items():
        pattern = rf"(<!-- generated: {name} -->\n).*?(\n<!-- end -->)"
        parts = re.split(pattern, page, flags=re.DOTALL)
        assert len(parts) == 4, f"{name} is not there once"
        page = parts[0] + parts[1] + text + parts[2] + parts[3]
    return page


def table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def record_table(cls: type[object]) -> str:
    """The fields of a record, in order."""
    rows = [(f"`{name}`", part.layout) for name, part in record_fields(cls).items()]
    return f"**{cls.__name__}**\n\n" + table(("field", "layout"), rows)


def members(dtype: np.dtype) -> Iterator[tuple[int, str, str]]:
    """Offset, name and type of each member of a structured dtype."""
    for name in dtype.names or ():
        kind, offset = (dtype.fields or {})[name][:2]
        base, shape = kind.subdtype or (kind, ())
        times = "".join(f"[{n}]" for n in shape)
        yield offset, name, f"{base.kind}{8 * base.itemsize}{times}"


def dump(artifact: Artifact) -> str:
    """The whole file, a line a field."""
    data = container.to_bytes(artifact)
    read = container.read(data, check=True)
    lines = [*frame_lines(data)]
    for section in decode_frame(memoryview(data), "example"):
        lines += section_lines(read, data, section)
    return "\n".join(text for line in lines for text in rendered(line))


def rendered(line: Line) -> Iterator[str]:
    """At most 16 bytes a line; zeros alone are not spelled out."""
    at, data, text = line
    if not data:
        yield f"\n{text}"
    elif len(data) > BYTES_PER_LINE and not any(data):
        yield f"{at:06x}  00 ... {f'{len(data)} bytes':38}  {text}"
    else:
        for start in range(0, len(data), BYTES_PER_LINE):
            part = data[start : start + BYTES_PER_LINE].hex(" ")
            yield f"{at + start:06x}  {part:47}  {text if not start else ''}".rstrip()


def frame_lines(data: bytes) -> Iterator[Line]:
    """Header and table."""
    yield 0, b"", "header"
    yield from struct_lines(data, 0, HEADER.format, HEADER_FIELDS)
    for i in range(len(decode_frame(memoryview(data), "example"))):
        yield 0, b"", f"section table, row {i}"
        yield from struct_lines(data, HEADER.size + ENTRY.size * i, ENTRY.format, ENTRY_FIELDS)


def struct_lines(data: bytes, at: int, form: str, names: tuple[str, ...]) -> Iterator[Line]:
    """The fields of a packed struct."""
    for code, name in zip(re.findall(r"\d*[a-zA-Z]", form), names, strict=True):
        size = {"8s": 8, "H": 2, "I": 4, "Q": 8}[code]
        part = data[at : at + size]
        value = part if code == "8s" else int.from_bytes(part, "little")
        yield at, part, f"{name} = {value!r}" if "CRC" not in name else name
        at += size


def section_lines(artifact: Artifact, data: bytes, section: Section) -> Iterator[Line]:
    """One section, field by field."""
    kind = SectionKind(section.kind)
    yield 0, b"", f"section {kind.name}"
    body = data[section.offset : section.offset + section.bytes]
    match kind:
        case SectionKind.METADATA:
            value = container.Metadata(
                artifact.target,
                artifact.inputs,
                artifact.outputs,
                artifact.temporary_bytes,
                artifact.provenance,
            )
            yield from value_lines(section.offset, container.Metadata, value, "")
        case SectionKind.PROGRAM:
            yield section.offset, body, "call kernel 0 with 2 buffers: 0, 1"
        case SectionKind.CODE:
            yield from code_lines(section.offset, body)
        case SectionKind.CONSTANTS:
            yield section.offset, body, "constant 0: 1.0, -2.0"
        case _:
            name = {
                SectionKind.KERNELS: "kernels",
                SectionKind.BUFFERS: "buffers",
                SectionKind.CONSTANT_TABLE: "constants",
                SectionKind.DEBUG_MAP: "sources",
            }[kind]
            yield from value_lines(
                section.offset, container.TABLES[kind], getattr(artifact, name), name
            )


def value_lines(at: int, hint: object, value: object, path: str) -> Iterator[Line]:
    """An encoded value: records and lists of records are taken apart, the rest is a line."""
    if is_dataclass(hint):
        hints = get_type_hints(hint)
        for name in record_fields(hint):
            child = getattr(value, name)
            yield from value_lines(at, hints[name], child, f"{path}.{name}".lstrip("."))
            at += len(encode(hints[name], child))
        return
    item = get_args(hint)[0] if get_args(hint) else None
    if is_dataclass(item) and isinstance(value, tuple):
        yield at, encode(hint, value)[:4], f"{path}: {len(value)}"
        at += 4
        for i, child in enumerate(value):
            yield from value_lines(at, item, child, f"{path}[{i}]")
            at += len(encode(item, child))
        return
    yield at, encode(hint, value), f"{path} = {value!r}"


def code_lines(at: int, body: bytes) -> Iterator[Line]:
    """The one record of the example: its own layout, then the rest of the fixed size."""
    cls = INSTRUCTIONS[body[0]]
    row = np.frombuffer(body[: cls.layout.itemsize], cls.layout)[0]
    end = 0
    for name in cls.layout.names or ():
        kind, offset = (cls.layout.fields or {})[name][:2]
        if offset > end:
            yield at + end, body[end:offset], "(unused)"
        end = offset + kind.itemsize
        if kind == OPERAND:
            for start, member, _ in members(OPERAND):
                size = OPERAND[member].itemsize
                place = offset + start
                text = f"{name}.{member} = {row[name][member]}"
                yield at + place, body[place : place + size], text
        else:
            text = f"{name} = {cls.__name__}" if name == "opcode" else f"{name} = {row[name]}"
            yield at + offset, body[offset:end], text
    if end < len(body):
        yield at + end, body[end:], "(unused)"


if __name__ == "__main__":
    PAGE.write_text(fill(PAGE.read_text("utf-8")), "utf-8")
