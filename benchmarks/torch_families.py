"""Try Hugging Face's model families, each once: tiny random models against eager PyTorch.

    python benchmarks/torch_families.py [--all] [--json FILE] [--jobs N] [MODEL_TYPE ...]
    python benchmarks/torch_families.py --library timm [--json FILE] [--jobs N] [NAME ...]

Or those of another library: see `torch_libraries.py`.

A model type is a name of transformers' own registry, as `llama`; a head may follow, as in
`llama.causal` (see `HEADS`). Without names, those of `NAMED` are tried, with `--all` every one in
the registry. A tiny configuration is made of a family's default one: every extent with a known
name is cut (`SMALL`), and `SPECIAL` adds what a family insists on. Text gets an image where a
family takes one and its tokens are found. Each model runs in a process of its own; with `--json`,
what the file has is not tried again, and `--seconds` ends early, so that a long list can be tried
in pieces. An outcome is one of

    ok        outputs and changed state within 2e-5 of eager's; with `--bfloat16`, at most twice
              eager's error from float64 away from it
    WRONG     not so
    refused   a coded error of neuronc
    export    torch.export itself refuses
    build     no tiny model was found: the family was not tried
    CRASH     anything else
"""

# pyright: basic
# transformers declares its configurations as keyword arguments of no type.

from __future__ import annotations

import argparse
import copy
import json
import multiprocessing
import resource
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import import_module
from pathlib import Path
from time import monotonic
from typing import Any

import torch
from torch_family_models import make
from torch_family_names import NAMED
from torch_libraries import LIBRARIES
from torch_libraries import make as of_library

TOLERANCE = 2e-5
MEMORY_LIMIT = 6 << 30
"""Bytes that a process may allocate: some default configurations ask for more than there is."""
APART = multiprocessing.get_context("forkserver")
APART.set_forkserver_preload(["torch_warm"])


def attempt(name: str, library: str = "", half: bool = False) -> dict[str, Any]:
    """What became of one family."""
    warnings.simplefilter("ignore")
    compare: Any = import_module("torch_compare")
    errors: Any = import_module("neuronc.errors")
    torch.manual_seed(0)
    try:
        model, args, kwargs = of_library(library, name) if library else make(name)
        with torch.no_grad():
            made = compare.eager(model, (args, kwargs), [])
        if not any(t.count_nonzero() for t in made):
            return {"outcome": "build", "why": "every output is 0, which would prove nothing"}
    except Exception as failure:
        return {"outcome": "build", "why": _first(failure)}
    try:
        case = (model, args, kwargs)
        found = compare.compare(*(_halved(case) if half else (case,)))
    except errors.NeuroncError as failure:
        return {"outcome": "refused", "why": str(failure)[:1500]}
    except Exception as failure:
        return {"outcome": _blame(failure), "why": _first(failure)}
    bound = 2 * found.eager if half else TOLERANCE
    outcome = "ok" if found.error <= bound else "WRONG"
    return {"outcome": outcome, "class": type(model).__name__, **vars(found)}


def _halved(case: Any) -> tuple[Any, Any]:
    """The same in bfloat16, and in float64 with the values that bfloat16 has."""
    compare: Any = import_module("torch_compare")
    model, *call = case
    model, call = model.bfloat16(), compare.in_dtype(call, torch.bfloat16)
    exact = copy.deepcopy(model).double(), *compare.in_dtype(call, torch.float64)
    return (model, *call), exact


def _blame(failure: BaseException) -> str:
    """Whether torch.export gave up by itself, by where the exception came from."""
    trace = failure.__traceback__
    files: list[str] = []
    while trace is not None:
        files.append(trace.tb_frame.f_code.co_filename)
        trace = trace.tb_next
    exporting = any("torch/export/" in f.replace("\\", "/") for f in files)
    return "export" if exporting and "neuronc" not in files[-1] else "CRASH"


def _first(failure: BaseException) -> str:
    trace, place = failure.__traceback__, ""
    while trace is not None:
        place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
        trace = trace.tb_next
    return f"{type(failure).__name__}: {str(failure).strip()[:600]} [{place}]"


def _apart(library: str, end: float, limit_s: float, half: bool, name: str) -> dict[str, Any]:
    """One family in a process of its own, forked from one that has imported everything."""
    if monotonic() > end:
        return {}
    ours, theirs = APART.Pipe(duplex=False)
    process = APART.Process(target=_report, args=(theirs, name, library, half))
    process.start()
    theirs.close()
    try:
        if ours.poll(limit_s):
            return ours.recv()
        return {"outcome": "CRASH", "why": f"longer than {limit_s} s"}
    except EOFError:
        process.join()
        return {"outcome": "CRASH", "why": f"the process ended with {process.exitcode}"}
    finally:
        process.kill()
        process.join()


def _report(pipe: Any, name: str, library: str, half: bool) -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_LIMIT, MEMORY_LIMIT))
    pipe.send(attempt(name, library, half))


def _names(library: str, every: bool) -> Sequence[str]:
    if library:
        return list(LIBRARIES[library].names())
    registry: Any = import_module("transformers.models.auto.configuration_auto").CONFIG_MAPPING
    return list(registry) if every else NAMED.split()


def _outcomes(file: Path | None) -> dict[str, Any]:
    """What a file of outcomes has, by name."""
    lines = file.read_text().splitlines() if file and file.exists() else []
    return {found["name"]: found for found in map(json.loads, lines)}


def main() -> None:
    """Try the families, print one line for each and a summary."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--library", default="", choices=["", *LIBRARIES])
    parser.add_argument("--all", action="store_true", help="every type of the registry")
    parser.add_argument("--json", type=Path, help="add outcomes to this file; skip what it has")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin none after")
    parser.add_argument("--limit", type=float, default=900.0, help="seconds that one may take")
    parser.add_argument("--bfloat16", action="store_true", help="against float64, beside eager")
    options = parser.parse_args()
    done = _outcomes(options.json)
    names = [n for n in options.names or _names(options.library, options.all) if n not in done]
    outcomes: dict[str, int] = {}
    end = monotonic() + options.seconds
    child = partial(_apart, options.library, end, options.limit, options.bfloat16)
    with ThreadPoolExecutor(options.jobs) as pool:
        for name, found in zip(names, pool.map(child, names), strict=True):
            if not found:
                break
            outcomes[found["outcome"]] = outcomes.get(found["outcome"], 0) + 1
            shown = f"{found['error']:.0e}" if "error" in found else found.get("why", "")
            shown += f" ({found['eager']:.0e})" if found.get("eager") else ""
            print(f"{name:28} {found['outcome']:8} {shown}", flush=True)
            if options.json:
                with options.json.open("a") as file:
                    file.write(json.dumps({"name": name, **found}) + "\n")
    print(", ".join(f"{count} {kind}" for kind, count in sorted(outcomes.items())))


if __name__ == "__main__":
    main()
