"""IREE's compiler and runtime, where `pip install neuronc[benchmarks]` has brought them.

Nothing large is imported here, since compile_time.py measures the memory of its children.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

COMPILER = shutil.which("iree-compile", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
_DRIVER = "local-task"
MISSING = "pip install iree-base-compiler iree-base-runtime to see IREE beside the others"


def compile_line(module: Path, output: Path) -> list[str]:
    """The command that compiles a module for the cores of this machine."""
    assert COMPILER is not None
    flags = ["--iree-hal-target-backends=llvm-cpu", "--iree-llvmcpu-target-cpu=host"]
    return [COMPILER, str(module), *flags, "-o", str(output)]


def can_run() -> bool:
    """Whether there are both a compiler and a runtime."""
    try:
        return COMPILER is not None and find_spec("iree.runtime") is not None
    except ModuleNotFoundError:
        return False


def load(module: Path, workers: int) -> tuple[Callable[[object], object], Callable[..., object]]:
    """Load a compiled module: what puts an array on its device, and `main`, which takes those.

    The first call of a process decides how many worker threads the device has.
    """
    runtime = import_module("iree.runtime")
    import_module("iree.runtime.flags").parse_flags(f"--task_topology_group_count={workers}")
    device = runtime.get_device(_DRIVER)
    main = runtime.load_vm_flatbuffer_file(str(module), driver=_DRIVER)["main"]
    return lambda array: runtime.asdevicearray(device, array), main


def to_hosts(results: object) -> list[object]:
    """What `main` returned, as NumPy arrays."""
    returned = cast("tuple[Any, ...]", results if isinstance(results, tuple) else (results,))
    return [array.to_host() for array in returned]
