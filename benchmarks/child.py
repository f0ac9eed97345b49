"""Steps that a benchmark measures in a process of their own; each prints one line of JSON.

    python benchmarks/child.py export MODEL MLIR           write the module of a model
    python benchmarks/child.py compile MLIR NEFF TARGET    `neuronc compile MLIR -o NEFF`
    python benchmarks/child.py load NEFF                   import the runtime, load the artifact

Each imports what it needs itself, so that no step's time or memory counts another's modules.
"""

from __future__ import annotations

import json
import runpy
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path

from environment import peak_bytes


def export(name: str, module: str) -> dict[str, float]:
    """Write the module of a model in models.py."""
    lowered = import_module("models").MODELS[name]().lower()
    import_module("export").write_module(lowered, Path(module))
    return {}


def compile(module: str, artifact: str, target: str) -> dict[str, float]:
    """Compile as the command line does."""
    sys.argv = ["neuronc", "compile", module, "-o", artifact, "--target", target]
    start = time.perf_counter()
    try:
        with redirect_stdout(sys.stderr):
            runpy.run_module("neuronc", run_name="__main__")
    except SystemExit as end:
        if end.code:
            raise
    return {"seconds": time.perf_counter() - start, "peak_bytes": peak_bytes()}


def load(artifact: str) -> dict[str, float]:
    """Import the runtime, then load, timing both."""
    start = time.perf_counter()
    import_module("neuronc.runtime.program")
    imported = time.perf_counter()
    import_module("neuronc").load(artifact)
    return {
        "import_seconds": imported - start,
        "load_seconds": time.perf_counter() - imported,
        "peak_bytes": peak_bytes(),
    }


STEPS: dict[str, Callable[..., dict[str, float]]] = {
    "export": export,
    "compile": compile,
    "load": load,
}

if __name__ == "__main__":
    print(json.dumps(STEPS[sys.argv[1]](*sys.argv[2:])))
