"""Try torch's operations: `python -m tests.torch_ops --dtype float32 --each 5`."""

from __future__ import annotations

import argparse
import sys
from collections import Counter

import torch

from tests.torch_ops.cell import CRASHED, NO_GRAPH, WORKS, WRONG, attempt, samples


def main() -> int:
    """Exit with 1 if a sample is wrong or crashes."""
    parser = argparse.ArgumentParser(prog="python -m tests.torch_ops", description=__doc__)
    parser.add_argument("--dtype", default="float32", help="torch's name of the element type")
    parser.add_argument("--each", type=int, default=5, help="samples of each operation")
    parser.add_argument("--only", default="", help="operations whose name contains this")
    parser.add_argument("--part", default="0/1", help="I/N: every Nth sample from I on")
    options = parser.parse_args()
    part, parts = map(int, options.part.split("/"))
    count: Counter[str] = Counter()
    for i, sample in enumerate(samples(getattr(torch, options.dtype), options.each, options.only)):
        if i % parts != part:
            continue
        cell = attempt(sample)
        count[cell.status] += 1
        if cell.status != WORKS:
            print(f"{sample.id}: {cell.status}\n  {cell.detail}", flush=True)
    known = sum(count.values()) - count[NO_GRAPH]
    print(f"{count[WORKS]} of {known} work; {dict(count)}")
    return int(bool(count[WRONG] + count[CRASHED]))


if __name__ == "__main__":
    sys.exit(main())
