r"""Reading a program: StableHLO text, MLIR bytecode, VHLO artifacts, HLO protos and HLO text.

The format is found by content, never by the file's name:

    "ML\xefR"...                    bytecode, VHLO artifacts included
    text that starts "HloModule"    HLO text
    other text                      MLIR
    "\n"...                          an HLO proto, alone or inside an `HloProto` as XLA dumps it
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from jaxlib import _hlo, _jax
from jaxlib.mlir import ir
from jaxlib.mlir._mlir_libs import _stablehlo as stablehlo

from neuronc.errors import InputError
from neuronc.frontend.mlir import input_errors, new_context

FORMATS = (
    "expected StableHLO as MLIR text, as bytecode, as a portable artifact, or as an HLO module"
)
PYTORCH = "compile it with `neuronc compile`, or from Python with neuronc.torch.compile_model"
BYTECODE_MAGIC = b"ML\xefR"
HLO_TEXT_MAGIC = "HloModule"
ARCHIVE_MAGIC = b"PK\x03\x04"
PROTO_MAGIC = b"\n"
"""The tag of field 1, a byte string; both HLO messages start with it."""


@runtime_checkable
class Lowered(Protocol):
    """What `jax.jit(f).lower(...)` returns."""

    def compiler_ir(self, dialect: str) -> ir.Module | None:
        """The program as an MLIR module; JAX has one for "stablehlo"."""
        ...


Source = str | bytes | os.PathLike[str] | Lowered | ir.Module


@dataclass(frozen=True)
class Program:
    """A parsed program that is ours to change, and what to call it in messages."""

    module: ir.Module
    name: str


def read_program(source: Source, name: str) -> Program:
    """Read a program of any kind; `name` stands for sources without a file name."""
    if isinstance(source, ir.Module):
        return Program(_clone(source), name)
    if isinstance(source, bytes):
        return _read_bytes(source, name)
    if isinstance(source, str) and is_program_text(source):
        return _read_text(source, name)
    if isinstance(source, str | os.PathLike):
        return _read_bytes(_file_bytes(Path(source)), os.fspath(source))
    module = source.compiler_ir("stablehlo")
    assert module is not None
    return Program(_clone(module), name)


def is_program_text(source: str) -> bool:
    """Whether a string is a program rather than a path."""
    return not source.strip() or "\n" in source or "{" in source


def _file_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        problem = (error.strerror or str(error)).lower()
        hint = "name a file that exists and that you may read"
        raise InputError(str(path), problem, hint, code="NRC-0101") from None


def _read_bytes(data: bytes, name: str) -> Program:
    if data.startswith(BYTECODE_MAGIC):
        return _read_bytecode(data, name)
    text = _decode_text(data)
    if text is not None:
        return _read_text(text, name)
    if data.startswith(PROTO_MAGIC):
        return _read_hlo(data, name)
    if data.startswith(ARCHIVE_MAGIC):
        problem, hint = "this is an archive, as PyTorch's .pt2 files are", PYTORCH
        raise InputError(name, problem, hint, code="NRC-0102")
    raise InputError(name, "this is not a program", FORMATS, code="NRC-0102")


def _decode_text(data: bytes) -> str | None:
    """The text, or None for binary data."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    head = text[:4096]
    return text if all(char.isprintable() or char.isspace() for char in head) else None


def _read_bytecode(data: bytes, name: str) -> Program:
    context = new_context()
    with input_errors(context, name):
        return Program(stablehlo.deserialize_portable_artifact(context, data), name)


def _read_text(text: str, name: str) -> Program:
    if not text.strip():
        raise InputError(name, "the program is empty", FORMATS, code="NRC-0103")
    if text.lstrip().startswith(HLO_TEXT_MAGIC):
        return _read_hlo_text(text, name)
    context = new_context()
    with input_errors(context, name):
        return Program(ir.Module.parse(text, context), name)


def _read_hlo_text(text: str, name: str) -> Program:
    try:
        proto = _hlo.hlo_module_from_text(text).as_serialized_hlo_module_proto()
    except RuntimeError as error:
        problem = f"the HLO text is damaged: {_first_line(error)}"
        raise InputError(name, problem, "let XLA print it again", code="NRC-0104") from None
    return _read_hlo(proto, name)


def _read_hlo(proto: bytes, name: str) -> Program:
    """Convert an HloModuleProto, or the one inside an HloProto."""
    inner = _first_field(proto)
    candidates = [inner, proto] if inner.startswith(PROTO_MAGIC) else [proto, inner]
    problem = ""
    for candidate in candidates:
        try:
            data = _jax.mlir.hlo_to_stablehlo(candidate)
        except RuntimeError as error:
            problem = _first_line(error)
        else:
            return _read_bytecode(data, name)
    problem = f"this is not an HLO module: {problem}"
    raise InputError(name, problem, FORMATS, code="NRC-0105")


def _first_field(proto: bytes) -> bytes:
    """The bytes of field 1, which starts right after its tag with a variable-length size."""
    size, shift, at = 0, 0, 1
    while at < len(proto):
        byte = proto[at]
        size |= (byte & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if byte < 0x80:
            break
    return proto[at : at + size]


def _first_line(error: Exception) -> str:
    return str(error).split("\n")[0]


def _clone(module: ir.Module) -> ir.Module:
    """A copy in the same context; constants are shared, so nothing large is copied."""
    with module.context, ir.Location.unknown():
        copy = ir.Module.create()
        for op in module.body.operations:
            op.operation.clone(ir.InsertionPoint(copy.body))
        for key, attribute in module.operation.attributes.items():
            copy.operation.attributes[key] = attribute
    return copy
