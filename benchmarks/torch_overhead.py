"""What a call of a small MLP costs through `torch.compile`, beside torch's own backends.

    python benchmarks/torch_overhead.py

Each way takes turns with the others, so that a busy machine slows all of them; the median of the
fastest turns counts.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

WAYS = ("eager", "aot_eager", "neuronc")
TURNS, CALLS = 20, 50


def measure() -> dict[str, float]:
    """Median seconds a call, by way."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU())
    model.append(nn.Linear(128, 16))
    x = torch.randn(8, 64)
    calls: dict[str, Callable[[Any], Any]] = {}
    for way in WAYS:
        calls[way] = torch.compile(model, backend=way) if way != "eager" else model
    times: dict[str, list[float]] = {way: [] for way in WAYS}
    with torch.no_grad():
        for way in WAYS:
            calls[way](x)
        for _ in range(TURNS):
            for way in WAYS:
                times[way].append(_turn(calls[way], x))
    return {way: statistics.median(sorted(t)[: TURNS // 2]) for way, t in times.items()}


def _turn(call: Callable[[Any], Any], x: torch.Tensor) -> float:
    start = time.perf_counter()
    for _ in range(CALLS):
        call(x)
    return (time.perf_counter() - start) / CALLS


def main() -> None:
    """Print a row a way."""
    found = measure()
    print("| way | us a call | of aot_eager |")
    print("|---|---|---|")
    for way, seconds in found.items():
        print(f"| {way} | {1e6 * seconds:.0f} | {seconds / found['aot_eager']:.1f} x |")


if __name__ == "__main__":
    main()
