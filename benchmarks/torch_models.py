"""Compare small PyTorch models with eager PyTorch, and write the table of docs/pytorch.md.

    python benchmarks/torch_models.py [--write] [NAME ...]

Every row is run once, on random weights and inputs. The error is the largest difference over the
largest value of an output, against eager float32; for bfloat16 against float64, with eager's own
error beside it. Times are those of one core, so that other processes do not stretch them.
"""

# pyright: basic
# transformers and torch_zoo are not typed.

from __future__ import annotations

import argparse
import copy
import re
from pathlib import Path
from time import process_time

import numpy as np
import torch
from torch_zoo import ZOO, make, tensors

import neuronc
import neuronc.torch
from neuronc.torch.elements import to_numpy

PAGE = Path(__file__).parents[1] / "docs" / "pytorch.md"
COLUMNS = "| model | error | operations | library, of FLOPs | export s | compile s | run ms |"
TABLE = re.compile(re.escape(COLUMNS) + r"\n(\|.*\n)+")


def error(found: list[np.ndarray], wanted: list[torch.Tensor]) -> float:
    """The largest relative difference; infinite where one is NaN and the other not."""
    worst = 0.0
    for ours, theirs in zip(found, wanted, strict=True):
        want, got = theirs.double().numpy(), ours.astype(np.float64)
        if not np.array_equal(np.isnan(want), np.isnan(got)):
            return float("inf")
        real = np.isfinite(want)
        if real.any():
            scale = max(np.abs(want[real]).max(), 1e-30)
            worst = max(worst, float(np.abs(got - want)[real].max() / scale))
    return worst


def measure(name: str) -> str:
    """One row of the table."""
    model, args, kwargs = make(name)
    state = copy.deepcopy(model)
    start = process_time()
    exported = neuronc.torch.export(model, args, kwargs)
    emitted = process_time()
    compiled = neuronc.torch.compile_exported(exported)
    done = process_time()
    inputs = [to_numpy(t) for t in tensors((args, kwargs))]
    inputs += [to_numpy(t) for t in exported.state.values()]
    program = neuronc.load(compiled)
    found = program(*inputs)[: len(exported.outputs)]
    again = process_time()
    program(*inputs)
    ran = process_time() - again
    with torch.no_grad():
        wanted = tensors(copy.deepcopy(state)(*args, **kwargs))
        text = f"{error(found, wanted):.0e}"
        if any(t.dtype is torch.bfloat16 for t in wanted):
            exact = tensors(state.double()(*args, **kwargs))
            eager = error([to_numpy(t) for t in wanted], exact)
            text = f"{error(found, exact):.0e} (eager {eager:.0e})"
    ops = sum(1 for _ in exported.module.body.operations[0].regions[0].blocks[0].operations)
    report = compiled.report
    share = report.library_flops / max(report.library_flops + report.tensor_flops, 1)
    times = f"{emitted - start:.1f} | {done - emitted:.1f} | {1e3 * ran:.1f}"
    return f"| {name} | {text} | {ops} | {100 * share:.2f} % | {times} |"


def main() -> None:
    """Measure, print, and with --write put the table into the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(ZOO))
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    lines = [COLUMNS, "|---|---|---|---|---|---|---|"]
    for name in args.names:
        lines.append(measure(name))
        print(lines[-1], flush=True)
    if args.write:
        table = "\n".join(lines) + "\n"
        PAGE.write_text(TABLE.sub(lambda _: table, PAGE.read_text()))


if __name__ == "__main__":
    main()
