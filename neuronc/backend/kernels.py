"""Turn placed kernels into the artifact's: streams, library table, and what the report says."""

from __future__ import annotations

import numpy as np
from xdsl.dialects.builtin import StringAttr

from neuronc.artifact.model import Kernel
from neuronc.backend.cost import kernel_seconds
from neuronc.backend.emit import Emitted, Sources, emit
from neuronc.backend.schedule import schedule
from neuronc.backend.synchronize import synchronize
from neuronc.dialects.tile import KernelOp, int_of
from neuronc.hardware import Generation
from neuronc.isa.instructions import DmaCopy, DmaGather, DmaScatter, Library, MatMul
from neuronc.isa.operands import Memory, columns
from neuronc.isa.prices import dma_bytes
from neuronc.isa.records import rows_of, stream_dtype
from neuronc.isa.table import ENGINES, Engine


def finish_kernel(kernel: KernelOp, sources: Sources, hw: Generation) -> Kernel:
    """Emit, synchronise and price one kernel."""
    emitted = schedule(emit(kernel, sources), hw)
    synchronize(emitted)
    streams = split(emitted)
    name = kernel.attributes["sym_name"]
    assert isinstance(name, StringAttr)
    return Kernel(
        name=name.data,
        buffers=len(kernel.body.block.args),
        streams=streams,
        library=emitted.library,
        sbuf_bytes=int_of(kernel, "sbuf_bytes"),
        psum_bytes=int_of(kernel, "psum_bytes"),
        flops=_flops(streams),
        library_flops=_library_flops(streams),
        hbm_bytes=hbm_bytes(streams),
        seconds=kernel_seconds(streams, hw),
        written=tuple(range(int_of(kernel, "inputs"), len(kernel.body.block.args))),
    )


def split(emitted: Emitted) -> dict[Engine, np.ndarray]:
    """Part the records into one stream per engine, each in program order."""
    streams: dict[Engine, np.ndarray] = {}
    raw = emitted.records.view(np.uint8).reshape(len(emitted.records), -1)
    for engine in ENGINES:
        rows = np.flatnonzero(emitted.engines == engine)
        if len(rows):
            dtype = stream_dtype(engine)
            packed = np.ascontiguousarray(raw[rows, : dtype.itemsize])
            streams[engine] = packed.view(dtype).reshape(-1)
    return streams


def _flops(streams: dict[Engine, np.ndarray]) -> int:
    """Two a multiply-add of every matmul."""
    stream = streams.get(Engine.TENSOR)
    if stream is None:
        return 0
    rows = rows_of(stream, MatMul, np.flatnonzero(stream["opcode"] == MatMul.opcode))
    m, n = columns(rows["stationary"]), columns(rows["moving"])
    return int((2 * m * n * rows["moving"]["partitions"].astype(np.int64)).sum())


def _library_flops(streams: dict[Engine, np.ndarray]) -> int:
    stream = streams.get(Engine.GPSIMD)
    if stream is None:
        return 0
    rows = rows_of(stream, Library, np.flatnonzero(stream["opcode"] == Library.opcode))
    return int(rows["work"].sum())


def hbm_bytes(streams: dict[Engine, np.ndarray]) -> int:
    """Bytes that DMA moves to or from HBM, each end counted."""
    total = 0
    for engine, stream in streams.items():
        for cls in (DmaCopy, DmaGather, DmaScatter):
            if engine not in cls.engines:
                continue
            rows = rows_of(stream, cls, np.flatnonzero(stream["opcode"] == cls.opcode))
            if not len(rows):
                continue
            ends = sum((rows[n]["memory"] == Memory.HBM).astype(np.int64) for n in ("dst", "src"))
            moved = dma_bytes(rows) if cls is not DmaScatter else dma_bytes(rows["src"])
            total += int((moved * ends).sum())
    return total
