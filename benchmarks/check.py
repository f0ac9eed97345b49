"""How long `neuronc check` takes as a command, for GPT-2 XL (48 layers, prefill of 512 tokens).

    python benchmarks/check.py [--runs 7]

The module has the shapes of the weights only, so it is made in seconds. Each run is a process of
its own: what a user waits for, imports included.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

EXAMPLE = Path(__file__).parents[1] / "examples" / "gpt2.py"
MODULE = "model.mlir"


def seconds(path: Path) -> float:
    """Wall time of one check of a program."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "neuronc", "check", str(path)], check=True)
    return time.perf_counter() - start


def main() -> None:
    """Make the module, check it, print the median."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        export = [sys.executable, str(EXAMPLE), "-o", folder, "--size", "XL", "--shapes-only"]
        subprocess.run(export, check=True)
        times = [seconds(Path(folder) / MODULE) for _ in range(runs)]
    print(f"median {statistics.median(times):.2f} s, fastest {min(times):.2f} s of {runs} runs")


if __name__ == "__main__":
    main()
