"""Damage of every kind gives one ArtifactError and nothing else, and none goes unseen."""

from __future__ import annotations

import random
import struct
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sample import add_kernel, full, in_hbm, library_kernel, on_chip, record, sealed, tiny

from neuronc.artifact import container
from neuronc.artifact.model import (
    Artifact,
    BufferKind,
    Call,
    Case,
    Constant,
    TensorInfo,
    While,
)
from neuronc.artifact.sections import ENTRY, HEADER, SectionKind, decode_frame
from neuronc.errors import ArtifactError
from neuronc.isa.instructions import DmaCopy, Library
from neuronc.isa.operands import Operand
from neuronc.isa.records import Record, encode
from neuronc.isa.table import Engine

FLIPS = 1500
SEALED_FLIPS = 1500


@pytest.fixture(autouse=True)
def _warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def sections_of(data: bytes) -> dict[int, tuple[int, int]]:
    return {s.kind: (s.offset, s.bytes) for s in decode_frame(memoryview(data), "")}


def test_every_flipped_byte_is_found():
    data = container.to_bytes(full())
    constants, _ = sections_of(data)[SectionKind.CONSTANTS]
    rng = random.Random(0)
    head = range(HEADER.size + ENTRY.size * 13)
    for at in [*head, *(rng.randrange(len(data)) for _ in range(FLIPS))]:
        damaged = bytearray(data)
        damaged[at] ^= 1 << rng.randrange(8)
        with pytest.raises(ArtifactError):
            container.verify(damaged)
        if at < constants:
            with pytest.raises(ArtifactError):
                container.read(damaged)


def test_every_flipped_byte_between_constants_is_found():
    data = container.to_bytes(full())
    first, size = sections_of(data)[SectionKind.CONSTANTS]
    gaps = [at for at in range(first, first + size) if not data[at]]
    for at in random.Random(1).sample(gaps, 300):
        damaged = bytearray(data)
        damaged[at] = 1
        with pytest.raises(ArtifactError):
            container.verify(damaged)


def test_every_other_length_is_found(tmp_path: Path):
    data = container.to_bytes(full())
    rng = random.Random(2)
    path = tmp_path / "model.neff"
    for size in [*range(700), *(rng.randrange(len(data)) for _ in range(200))]:
        with pytest.raises(ArtifactError):
            container.read(data[:size])
        path.write_bytes(data[:size])
        with pytest.raises(ArtifactError):
            container.read(path)
    with pytest.raises(ArtifactError, match="bytes"):
        container.read(data + b"\0")


def test_hostile_bytes_with_right_checksums_give_an_error_or_load():
    data = container.to_bytes(full())
    constants, _ = sections_of(data)[SectionKind.CONSTANTS]
    rng = random.Random(3)
    extremes = (0, 1, 0x7F, 0x80, 0xFF)
    refused = 0
    for _ in range(SEALED_FLIPS):
        damaged = bytearray(data)
        at = rng.randrange(HEADER.size, constants)
        for i in range(at, min(at + rng.choice((1, 1, 4, 8)), constants)):
            damaged[i] = rng.choice(extremes)
        try:
            container.read(sealed(damaged))
        except ArtifactError:
            refused += 1
    assert refused > SEALED_FLIPS // 4


def patched(form: str, offset: int, *values: int) -> bytes:
    data = bytearray(container.to_bytes(tiny()))
    struct.pack_into(form, data, offset, *values)
    return sealed(data)


ENTRY_OF_METADATA = HEADER.size
HOSTILE_FRAMES = {
    "a huge number of sections": (patched("<I", 12, 2**32 - 1), "do not fit"),
    "no sections": (patched("<I", 12, 0), "belong to no section"),
    "a section beyond the file": (patched("<Q", ENTRY_OF_METADATA + 16, 2**63), "do not fit"),
    "a section that overlaps": (patched("<Q", ENTRY_OF_METADATA + 8, 32), "do not fit"),
    "a size that wraps around": (patched("<Q", ENTRY_OF_METADATA + 16, 2**64 - 1), "do not fit"),
    "two of one kind": (patched("<H", ENTRY_OF_METADATA + 32, 1), "is there twice"),
    "one kind missing": (patched("<H", ENTRY_OF_METADATA, 99), "metadata is missing"),
    "code of no kernel": (patched("<I", ENTRY_OF_METADATA + 32 * 6 + 4, 9), "which is none"),
    "code of no engine": (patched("<H", ENTRY_OF_METADATA + 32 * 6 + 2, 9), "which is none"),
    "records of another size": (patched("<I", ENTRY_OF_METADATA + 32 * 6 + 28, 64), "records"),
}


@pytest.mark.parametrize("case", HOSTILE_FRAMES)
def test_a_hostile_frame_is_refused(case: str):
    data, message = HOSTILE_FRAMES[case]
    with pytest.raises(ArtifactError, match=message):
        container.read(data)


def test_a_newer_major_version_is_named():
    data = bytearray(container.to_bytes(tiny()))
    struct.pack_into("<H", data, 8, 2)
    with pytest.raises(ArtifactError, match=r"format version is 2\.0, this neuronc reads 1\.x"):
        container.read(data)


def test_a_newer_minor_version_loads_and_its_sections_are_skipped():
    data = bytearray(container.to_bytes(tiny()))
    struct.pack_into("<H", data, 10, 7)
    assert container.read(sealed(data)).target == "trn2"


@pytest.mark.parametrize("data", [b"", b"NRN", b"PK\3\4" + bytes(100), b"module @m {}" * 9])
def test_another_kind_of_file_is_named(data: bytes):
    with pytest.raises(ArtifactError, match=r"wrong magic|file ends"):
        container.read(data)


def kernel_with(**changes: Any) -> Artifact:
    return replace(tiny(), kernels=(replace(add_kernel(), **changes),))


def stream_of(engine: Engine, *records: Record) -> Artifact:
    streams = {**add_kernel().streams, engine: encode([*records], engine)}
    return kernel_with(streams=streams)


def loads(src: Operand) -> Artifact:
    """Two loads, as the vector engine waits for."""
    return stream_of(Engine.DMA_IN, *[record(DmaCopy(on_chip(0), src, 0))] * 2)


def stores(dst: Operand) -> Artifact:
    """Two loads to one place."""
    return stream_of(Engine.DMA_IN, *[record(DmaCopy(dst, in_hbm(0), 0))] * 2)


def buffer_with(**changes: Any) -> Artifact:
    buffers = list(tiny().buffers)
    buffers[1] = replace(buffers[1], **changes)
    return replace(tiny(), buffers=tuple(buffers))


def program_of(*steps: Call | While | Case) -> Artifact:
    return replace(tiny(), program=steps)


def library_with(**changes: Any) -> Artifact:
    kernel = library_kernel()
    call = replace(kernel.library[0], **changes)
    return replace(full(), kernels=(add_kernel(), replace(kernel, library=(call,))))


def nested(depth: int) -> Call | While | Case:
    step: Call | While | Case = Call(0, (0, 1, 2))
    for _ in range(depth):
        step = Case(0, ((step,),))
    return step


def constant_with(**changes: Any) -> Artifact:
    constant = Constant(None, "f32", (4, 8), "w")
    return replace(tiny(), constants=(replace(constant, **changes),))


HOSTILE: dict[str, tuple[Callable[[], Artifact], str]] = {
    "an unknown target": (lambda: replace(tiny(), target="trn9"), "is not a target"),
    "an unknown type": (
        lambda: replace(tiny(), inputs=(TensorInfo("x", (4, 8), "f7"),)),
        "'f7' is not an element type",
    ),
    "a negative dimension": (
        lambda: replace(tiny(), inputs=(TensorInfo("x", (4, -8), "f32"),)),
        "is not a shape",
    ),
    "an enormous output": (
        lambda: replace(tiny(), outputs=(TensorInfo("out0", (2**40, 2**40), "f32"),)),
        "but the device has",
    ),
    "enormous temporaries": (lambda: replace(tiny(), temporary_bytes=2**50), "of temporaries"),
    "negative temporaries": (lambda: replace(tiny(), temporary_bytes=-1), "of temporaries"),
    "an enormous constant": (lambda: constant_with(shape=(2**62, 2**62)), "but the device has"),
    "a negative constant": (lambda: constant_with(shape=(-4, 8)), "is not a shape"),
    "a donation to no output": (
        lambda: replace(tiny(), inputs=(TensorInfo("x", (4, 8), "f32", 1),)),
        "donated to output 1",
    ),
    "a donation of another size": (
        lambda: replace(tiny(), inputs=(TensorInfo("x", (4, 8), "bf16", 0),)),
        "another size",
    ),
    "a buffer past its constant": (lambda: buffer_with(offset=4), "128 bytes at 4, of 128 bytes"),
    "a buffer before its constant": (lambda: buffer_with(offset=-4), "128 bytes at -4, of 128"),
    "a buffer larger than its run": (lambda: buffer_with(shape=(4, 9)), "in a run of"),
    "a buffer of no constant": (lambda: buffer_with(index=3), "names constant 3, but there are 1"),
    "a buffer that is part of a constant": (
        lambda: buffer_with(shape=(3, 8), bytes=96),
        "96 bytes at 0, of 128 bytes",
    ),
    "a buffer of huge size": (lambda: buffer_with(bytes=2**62), "in a run of"),
    "no buffer for an output": (
        lambda: replace(tiny(), outputs=(*tiny().outputs, *tiny().inputs)),
        "not one for each output",
    ),
    "a kernel that writes an input": (
        lambda: program_of(Call(0, (0, 1, 2)), Call(0, (2, 1, 0))),
        "call of add: error: NRC-0413: writes input 0, which is only read",
    ),
    "a kernel that writes what it says it only reads": (
        lambda: kernel_with(written=(1,)),
        "a buffer that the kernel only reads",
    ),
    "a library call that writes what its kernel only reads": (
        lambda: replace(full(), kernels=(add_kernel(), replace(library_kernel(), written=()))),
        "a buffer that the kernel only reads",
    ),
    "a buffer of no temporaries": (
        lambda: buffer_with(kind=BufferKind.TEMPORARY),
        "128 bytes at 0, of 0 bytes",
    ),
    "a call of no kernel": (lambda: program_of(Call(1, (0, 1, 2))), "calls kernel 1"),
    "a call with too few buffers": (
        lambda: program_of(Call(0, (0, 1))),
        "call of add: error: NRC-0411: 2 buffers are given, 3 needed",
    ),
    "a call with no such buffer": (lambda: program_of(Call(0, (0, 1, 3))), "names buffer 3"),
    "a branch on floats": (lambda: program_of(While((), 0, ())), "which is 128 bytes of f32"),
    "a branch on no buffer": (lambda: program_of(Case(7, ((),))), "names buffer 7"),
    "a case without branches": (
        lambda: replace(full(), program=(Case(4, ()),)),
        "without branches",
    ),
    "regions nested too deep": (lambda: program_of(nested(65)), "deeper than 64"),
    "an access past its buffer": (
        lambda: loads(in_hbm(0, 4)),
        "reaches 132 bytes into argument 0, which has 128",
    ),
    "an access before its buffer": (
        lambda: loads(in_hbm(0, -4)),
        "before the start of its buffer",
    ),
    "an access that overflows": (
        lambda: loads(replace(in_hbm(0), steps=(2**31 - 1,) * 5, counts=(2**32 - 1,) * 5)),
        "into argument 0",
    ),
    "an on-chip access that overflows": (
        lambda: stores(replace(on_chip(0), steps=(2**30,) * 2, counts=(2**31 + 1,) * 2)),
        "outside its tile",
    ),
    "an on-chip access of no partition": (lambda: stores(replace(on_chip(0), partitions=0)), "dst"),
    "an access to no buffer": (
        lambda: loads(in_hbm(3)),
        "names no buffer of the kernel",
    ),
    "a wait for ever": (
        lambda: stream_of(Engine.DMA_OUT, record(DmaCopy(in_hbm(2), on_chip(0), 0), VECTOR=2)),
        "more records than a stream has",
    ),
    "a source that is not in the debug map": (
        lambda: stream_of(Engine.DMA_OUT, record(DmaCopy(in_hbm(2), on_chip(0), 0), 2)),
        "no entry of the debug map",
    ),
    "no such library call": (
        lambda: stream_of(Engine.GPSIMD, record(Library(0, 1, 1))),
        "no entry of the library table",
    ),
    "a library call on no buffer": (
        lambda: library_with(inputs=(replace(library_kernel().library[0].inputs[0], argument=1),)),
        "names buffer 1",
    ),
    "a library call past its buffer": (
        lambda: library_with(inputs=(replace(library_kernel().library[0].inputs[0], shape=(99,)),)),
        "reaches 396 bytes",
    ),
    "library parameters that are no JSON": (lambda: library_with(params="{"), "not a JSON object"),
    "library parameters that nest for ever": (
        lambda: library_with(params="[" * 100_000),
        "not a JSON object",
    ),
    "an enormous number of buffers": (lambda: kernel_with(buffers=2**40), "buffers"),
    "a kernel that writes no buffer": (lambda: kernel_with(written=(3,)), "does not have"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_artifact_is_refused(case: str):
    make, message = HOSTILE[case]
    with pytest.raises(ArtifactError, match=message):
        container.read(container.to_bytes(make()))


def test_an_error_says_where_what_and_what_to_do(tmp_path: Path):
    path = tmp_path / "mlp.neff"
    data = bytearray(container.to_bytes(tiny()))
    offset, _ = sections_of(bytes(data))[SectionKind.PROGRAM]
    data[offset] ^= 1
    path.write_bytes(data)
    with pytest.raises(ArtifactError) as caught:
        container.read(path)
    assert str(caught.value).splitlines() == [
        f"{path}: program: error: NRC-0404: checksum does not match",
        "  hint: the file is damaged or was not written by neuronc; compile the model again",
    ]
