"""neuronc compiles StableHLO for Neuron-like accelerators, and runs what it compiled.

    artifact = neuronc.compile("model.mlir")
    artifact.save("model.neff")
    program = neuronc.load("model.neff")
    outputs = program(*arrays)

Axis letters in all docstrings: P partition, C column, K contraction, M and N rows and columns of a
matmul's result, B batch.

Names are imported when first used: the runtime works, and starts fast, without the compiler.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from neuronc.version import VERSION as __version__

if TYPE_CHECKING:
    from neuronc.api import Compiled, compile
    from neuronc.checking import check
    from neuronc.errors import NeuroncError
    from neuronc.runtime.load import load
    from neuronc.runtime.program import Program

__all__ = ["Compiled", "NeuroncError", "Program", "__version__", "check", "compile", "load"]

_HOME = {
    "Compiled": "neuronc.api",
    "NeuroncError": "neuronc.errors",
    "Program": "neuronc.runtime.program",
    "check": "neuronc.checking",
    "compile": "neuronc.api",
    "load": "neuronc.runtime.load",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_HOME[name]), name)
    return value
