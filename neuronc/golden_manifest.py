"""The manifest of a recording: its outputs, tolerances, provenance, and the hashes of its files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

from neuronc.artifact.output import new_file
from neuronc.errors import InputError
from neuronc.golden_compare import Tolerance

PROGRAM, INPUTS, EXPECTED, MANIFEST = "program.mlir", "inputs.npz", "expected.npz", "manifest.json"
FORMAT = 1


@dataclass(frozen=True)
class Output:
    """One output of the program, and how far off it may be."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    tolerance: Tolerance


@dataclass(frozen=True)
class Manifest:
    """What `manifest.json` holds."""

    outputs: tuple[Output, ...]
    provenance: dict[str, str]
    """Who computed the expected outputs, and where the inputs are from."""
    sha256: dict[str, str]
    """Of the other files of the recording."""


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest, whole or not at all.

    Raises:
        InputError: it cannot be written.
    """
    text = json.dumps({"format": FORMAT} | asdict(manifest), indent=2, ensure_ascii=False)
    with new_file(folder / MANIFEST) as file:
        file.write(text.encode() + b"\n")


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest, and check that the recorded files are those it was written with.

    Raises:
        InputError: there is no recording, or it is damaged or from a newer neuronc.
    """
    path = folder / MANIFEST
    hint = "record it again with `neuronc golden record`"
    try:
        manifest = _parse(json.loads(path.read_bytes()))
        hashes = {name: file_sha256(folder / name) for name in (PROGRAM, INPUTS, EXPECTED)}
    except OSError as error:
        problem = f"cannot read: {error.strerror or error}"
        raise InputError(str(error.filename), problem, hint, code="NRC-0101") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InputError(str(path), "not a manifest", hint, code="NRC-0804") from None
    for name, digest in hashes.items():
        if digest != manifest.sha256.get(name):
            problem = "is not the file that was recorded"
            raise InputError(str(folder / name), problem, hint, code="NRC-0805")
    return manifest


def file_sha256(path: Path) -> str:
    """Hash a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _parse(value: Mapping[str, object]) -> Manifest:
    if value["format"] != FORMAT:
        raise ValueError(value["format"])
    return Manifest(
        tuple(map(_parse_output, cast("list[Mapping[str, object]]", value["outputs"]))),
        {str(k): str(v) for k, v in cast("dict[str, str]", value["provenance"]).items()},
        {str(k): str(v) for k, v in cast("dict[str, str]", value["sha256"]).items()},
    )


def _parse_output(value: Mapping[str, object]) -> Output:
    tolerance = cast("Mapping[str, float]", value["tolerance"])
    return Output(
        str(value["name"]),
        tuple(int(n) for n in cast("list[int]", value["shape"])),
        str(value["dtype"]),
        Tolerance(float(tolerance["ulp"]), float(tolerance["relative"])),
    )
