"""Where an artifact came from: the same program and flags give the same text, on any day."""

# pyright: reportUnknownMemberType=false, reportAttributeAccessIssue=false
# jaxlib declares no writing of bytecode.

from __future__ import annotations

import hashlib
import os
from importlib.metadata import version

from neuronc.frontend.source import Lowered, Source
from neuronc.version import VERSION


class _HashWriter:
    """A file that remembers only the hash of what is written."""

    def __init__(self) -> None:
        self.digest = hashlib.sha256()

    def write(self, data: bytes) -> int:
        """Take the next bytes."""
        self.digest.update(data)
        return len(data)


def provenance(source: Source, flags: dict[str, str]) -> dict[str, str]:
    """The compiler, its libraries, the flags, and the SHA-256 of the program as it was given."""
    compiler = {"compiler": f"neuronc {VERSION}", "input_sha256": input_sha256(source)}
    libraries = {name: version(name) for name in ("jaxlib", "xdsl")}
    return compiler | libraries | {f"flag.{name}": value for name, value in sorted(flags.items())}


def input_sha256(source: Source) -> str:
    """Hash the bytes of a file or string, or the bytecode of a module in memory."""
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest()
    if isinstance(source, os.PathLike):
        with open(source, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    if isinstance(source, str):
        return hashlib.sha256(source.encode()).hexdigest()
    writer = _HashWriter()
    module = source.compiler_ir("stablehlo") if isinstance(source, Lowered) else source
    assert module is not None
    module.operation.write_bytecode(writer)
    return writer.digest.hexdigest()
