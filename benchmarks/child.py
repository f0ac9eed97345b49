"""Steps that a benchmark measures in a process of their own; each prints one line of JSON.

    python benchmarks/child.py export MODEL MLIR           write the module of a model
    python benchmarks/child.py compile MLIR NEFF TARGET    `neuronc compile MLIR -o NEFF`
    python benchmarks/child.py again MLIR TARGET RUNS      compile in one process, over and over
    python benchmarks/child.py xla MODEL RUNS              the same by XLA for the CPU
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
from statistics import median

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


def again(module: str, target: str, runs: str) -> dict[str, float]:
    """Compile in a process that has everything imported."""
    compiler, data = import_module("neuronc"), Path(module).read_bytes()
    return _medians(lambda: compiler.compile(data, target), int(runs))


def xla(name: str, runs: str) -> dict[str, float]:
    """Let XLA compile for the CPU, from the module that JAX holds."""
    model, clear = import_module("models").MODELS[name](), import_module("jax").clear_caches
    # What JAX has compiled once it keeps, so that every run needs a lowering of its own.
    fresh = [(clear(), model.lower())[1] for _ in range(int(runs) + 1)]
    return _medians(lambda: fresh.pop().compile(), int(runs))


def _medians(call: Callable[[], object], runs: int) -> dict[str, float]:
    """Wall and CPU seconds of a call, after one that does not count."""
    call()
    rows: list[tuple[float, float]] = []
    for _ in range(runs):
        wall, cpu = time.perf_counter(), time.process_time()
        call()
        rows.append((time.perf_counter() - wall, time.process_time() - cpu))
    wall, cpu = (median(column) for column in zip(*rows, strict=True))
    return {"seconds": wall, "cpu_seconds": cpu, "peak_bytes": peak_bytes()}


def load(artifact: str) -> dict[str, float]:
    """Import the runtime, then load, timing both."""
    start = time.perf_counter()
    import_module("neuronc.runtime.load")
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
    "again": again,
    "xla": xla,
    "load": load,
}

if __name__ == "__main__":
    print(json.dumps(STEPS[sys.argv[1]](*sys.argv[2:])))
