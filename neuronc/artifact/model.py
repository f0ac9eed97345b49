"""What an artifact holds, in memory; `container` writes and reads it.

Everything the runtime needs and nothing of the source program: kernels as instruction streams, a
short program of calls and control flow over buffers, constants, and the signature.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from neuronc.isa.table import Engine


@dataclass(frozen=True)
class TensorInfo:
    """One input or output: its name, shape and element type (MLIR spelling)."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    donated: int = -1
    """For an input: the output that may take over its buffer, or -1."""


class BufferKind(IntEnum):
    """Who owns the bytes of a buffer."""

    INPUT = 1
    OUTPUT = 2
    CONSTANT = 3
    TEMPORARY = 4


@dataclass(frozen=True)
class Buffer:
    """A run of HBM bytes: `index` of its input, output or constant; `offset` into temporaries."""

    kind: BufferKind
    index: int
    offset: int
    bytes: int
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class LibraryOperand:
    """A whole HBM buffer that a library call reads or writes."""

    argument: int
    """Which buffer of the kernel."""
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class LibraryCall:
    """What one Library instruction runs: a function of the runtime's library."""

    function: str
    params: str
    """JSON."""
    outputs: tuple[LibraryOperand, ...]
    inputs: tuple[LibraryOperand, ...]


@dataclass(frozen=True)
class Kernel:
    """One kernel: a stream per engine, relocatable by the buffers of a call."""

    name: str
    buffers: int
    """How many buffers a call names."""
    streams: dict[Engine, np.ndarray]
    library: tuple[LibraryCall, ...] = ()
    sbuf_bytes: int = 0
    """High-water mark, bytes per partition."""
    psum_bytes: int = 0
    flops: int = 0
    """On the tensor engine."""
    library_flops: int = 0
    hbm_bytes: int = 0
    seconds: float = 0.0
    """Modelled time on the target."""
    written: tuple[int, ...] = ()
    """Which of the buffers the kernel writes."""


@dataclass(frozen=True)
class Call:
    """Run a kernel on buffers (indices into `Artifact.buffers`)."""

    kernel: int
    buffers: tuple[int, ...]


@dataclass(frozen=True)
class While:
    """Run `condition`, then `body` and again, while the i1 buffer `predicate` is true."""

    condition: tuple[Step, ...]
    predicate: int
    body: tuple[Step, ...]
    trips: int | None = None
    """How often the body runs, where that is known; only estimates of the time use it."""


@dataclass(frozen=True)
class Case:
    """Run branch number `index` (an i32 or i1 buffer); out of range takes the last."""

    index: int
    branches: tuple[tuple[Step, ...], ...]


Step = Call | While | Case


@dataclass(frozen=True)
class Constant:
    """One constant: in the file, or in an external safetensors file under `external`."""

    array: NDArray[np.generic] | None
    dtype: str
    shape: tuple[int, ...]
    external: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class Artifact:
    """A compiled model."""

    target: str
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    kernels: tuple[Kernel, ...]
    buffers: tuple[Buffer, ...]
    temporary_bytes: int
    program: tuple[Step, ...]
    constants: tuple[Constant, ...]
    sources: tuple[tuple[str, str], ...] = ()
    """The debug map: (source line, StableHLO op); records name an entry by its index."""
    provenance: dict[str, str] = field(default_factory=dict[str, str])
