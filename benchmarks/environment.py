"""The conditions under which a benchmark runs."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# threadpoolctl is not annotated.

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path
from typing import cast

import threadpoolctl

OVERRIDES = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
"""What some machines set and users do not: it makes OpenBLAS pick slower kernels than it would."""


def restart_without_overrides() -> None:
    """Start this program again without OVERRIDES, since OpenBLAS reads them when it is loaded."""
    if any(name in os.environ for name in OVERRIDES):
        environment = {name: v for name, v in os.environ.items() if name not in OVERRIDES}
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)


def peak_bytes() -> int:
    """The most memory this program has had resident.

    Linux lets a process inherit `ru_maxrss` from whatever called exec; VmHWM starts anew.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def describe() -> dict[str, str | int | None]:
    """The cores and the BLAS kernels in use; call it when NumPy is loaded."""
    pools = cast("list[dict[str, str | int | None]]", threadpoolctl.threadpool_info())
    facts: dict[str, str | int | None] = {"cores": os.cpu_count()}
    for pool in pools:
        if pool["user_api"] == "blas":
            facts["blas_kernels"] = pool.get("architecture")
            facts["blas_threads"] = pool["num_threads"]
    return facts
