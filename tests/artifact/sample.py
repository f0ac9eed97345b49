"""Artifacts for the tests: one with a bit of everything, and ways to damage its file."""

from __future__ import annotations

import struct
import zlib

import numpy as np

from neuronc.artifact.model import (
    Artifact,
    Buffer,
    BufferKind,
    Call,
    Case,
    Constant,
    Kernel,
    LibraryCall,
    LibraryOperand,
    TensorInfo,
    While,
)
from neuronc.artifact.sections import ENTRY, HEADER
from neuronc.dtypes import BY_NAME
from neuronc.isa.instructions import DmaCopy, Library, Memset, TensorTensor
from neuronc.isa.operands import Memory, Operand
from neuronc.isa.records import Record, encode
from neuronc.isa.table import Engine, Instruction
from neuronc.numerics import FUNCTIONS

F32 = BY_NAME["f32"].code
ROWS, COLUMNS = 4, 8


def on_chip(tile: int) -> Operand:
    size = 4 * COLUMNS
    return Operand(
        Memory.SBUF, F32, 0, (1,), (COLUMNS,), partitions=ROWS, tile_start=tile, tile_bytes=size
    )


def in_hbm(buffer: int, offset: int = 0) -> Operand:
    return Operand(Memory.HBM, F32, offset, (COLUMNS, 1), (ROWS, COLUMNS), buffer=buffer)


def record(instruction: Instruction, source: int = 0, **waits: int) -> Record:
    counts = tuple(waits.get(engine.name, 0) for engine in Engine)
    return Record(instruction, counts, source)


def add_kernel() -> Kernel:
    """out = x + w"""
    add = TensorTensor(on_chip(64), on_chip(0), on_chip(32), FUNCTIONS["add"].code)
    streams = {
        Engine.DMA_IN: [
            record(DmaCopy(on_chip(0), in_hbm(0), 0)),
            record(DmaCopy(on_chip(32), in_hbm(1), 0)),
        ],
        Engine.VECTOR: [record(add, 1, DMA_IN=2)],
        Engine.DMA_OUT: [record(DmaCopy(in_hbm(2), on_chip(64), 0), 1, VECTOR=1)],
    }
    return Kernel(
        name="add",
        buffers=3,
        streams={engine: encode(records, engine) for engine, records in streams.items()},
        sbuf_bytes=96,
        hbm_bytes=3 * 4 * ROWS * COLUMNS,
        seconds=4.25e-6,
        written=(2,),
    )


def library_kernel() -> Kernel:
    operand = LibraryOperand(0, (ROWS, COLUMNS), "f32")
    call = LibraryCall("sort", '{"dimension": 0}', (operand,), (operand,))
    streams = {
        Engine.GPSIMD: [
            record(Memset(on_chip(0), 0.5)),
            record(Library(0, 64, 64)),
        ]
    }
    return Kernel(
        name="sort",
        buffers=1,
        streams={engine: encode(records, engine) for engine, records in streams.items()},
        library=(call,),
        written=(0,),
    )


def tiny() -> Artifact:
    """out0 = arg0 + w."""
    size = 4 * ROWS * COLUMNS
    shape = (ROWS, COLUMNS)
    weights = np.arange(ROWS * COLUMNS, dtype=np.float32).reshape(shape)
    return Artifact(
        target="trn2",
        inputs=(TensorInfo("x", shape, "f32"),),
        outputs=(TensorInfo("out0", shape, "f32"),),
        kernels=(add_kernel(),),
        buffers=(
            Buffer(BufferKind.INPUT, 0, 0, size, "f32", shape),
            Buffer(BufferKind.CONSTANT, 0, 0, size, "f32", shape),
            Buffer(BufferKind.OUTPUT, 0, 0, size, "f32", shape),
        ),
        temporary_bytes=0,
        program=(Call(0, (0, 1, 2)),),
        constants=(Constant(weights, "f32", shape),),
        sources=(("", ""), ("add.py:3", "stablehlo.add")),
        provenance={"compiler": "neuronc 0.1.0", "input": "0123456789abcdef"},
    )


def full() -> Artifact:
    """Every feature of the format: control flow, library, temporaries, constants of all types."""
    base = tiny()
    size, shape = 4 * ROWS * COLUMNS, (ROWS, COLUMNS)
    predicate = Buffer(BufferKind.TEMPORARY, 0, 2 * size, 1, "i1", ())
    index = Buffer(BufferKind.TEMPORARY, 0, 2 * size + 4, 4, "i32", ())
    first, second = (Buffer(BufferKind.TEMPORARY, 0, at, size, "f32", shape) for at in (0, size))
    loop = While((Call(1, (5,)),), 3, (Call(0, (0, 5, 6)), Case(4, ((Call(1, (6,)),), ()))))
    typed = [np.arange(6).astype(np.int8).astype(row.numpy) for row in BY_NAME.values()]
    extra = [Constant(a, name, a.shape) for name, a in zip(BY_NAME, typed, strict=True)]
    splat = np.broadcast_to(np.float32(1.5), (1025, 3))
    page = np.random.default_rng(0).standard_normal((33, 65)).astype(np.float32)
    outside = Constant(None, "f32", shape, "w.outside", "ab" * 32)
    return Artifact(
        target="trn1",
        inputs=(TensorInfo("params['w']", shape, "f32", 0), TensorInfo("größe", (), "i32")),
        outputs=base.outputs,
        kernels=(add_kernel(), library_kernel()),
        buffers=(*base.buffers, predicate, index, first, second),
        temporary_bytes=2 * size + 8,
        program=(*base.program, loop, Call(0, (5, 6, 2))),
        constants=(
            *base.constants,
            *extra,
            Constant(splat, "f32", splat.shape),
            Constant(page.T, "f32", page.T.shape),
            outside,
            Constant(np.zeros((0, 3), np.float32), "f32", (0, 3)),
        ),
        sources=base.sources,
        provenance=base.provenance,
    )


def sealed(data: bytearray) -> bytes:
    """Recompute every checksum, so that only what the bytes mean can be wrong."""
    count = min(HEADER.unpack_from(data)[3], (len(data) - HEADER.size) // ENTRY.size)
    end = HEADER.size + ENTRY.size * count
    for at in range(HEADER.size, end, ENTRY.size):
        row = list(ENTRY.unpack_from(data, at))
        kind, offset, size = row[0], row[3], row[4]
        row[5] = 0 if kind == 8 else zlib.crc32(data[offset : offset + size])
        ENTRY.pack_into(data, at, *row)
    struct.pack_into("<I", data, 24, zlib.crc32(data[HEADER.size : end]))
    struct.pack_into("<I", data, 28, zlib.crc32(data[:28]))
    return bytes(data)
