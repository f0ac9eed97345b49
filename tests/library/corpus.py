"""Run the conformance corpus on the library: `python tests/library/corpus.py [PART OF A CASE ID]`.

Needs /work/shared/stablehlo (cases.py, cases.zip). Prints the cases that miss, and the share that
holds, under each case's own comparison.
"""

from __future__ import annotations

import importlib.util
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from interpreter import run

from neuronc.frontend.load import load_module

CORPUS = Path("/work/shared/stablehlo")


def corpus(wanted: str = "") -> Iterator[Any]:
    """The cases whose id contains `wanted`; none when the corpus is absent."""
    if not CORPUS.exists():
        return
    spec = importlib.util.spec_from_file_location("corpus_cases", CORPUS / "cases.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield from (c for c in module.cases(CORPUS / "cases.zip") if wanted in c.id)


def check(case: Any) -> list[str]:
    """What differs, or the error that stopped the case."""
    try:
        module = load_module(case.program.encode(), name=case.id)
        return case.check(run(module, case.inputs))
    except Exception:
        return [traceback.format_exc(limit=-3)]


def main() -> None:
    """Run and report."""
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    started, total, missed = time.perf_counter(), 0, 0
    for case in corpus(wanted):
        messages = check(case)
        total += 1
        if messages:
            missed += 1
            print(f"{case.id}: {messages[0]}")
    seconds = time.perf_counter() - started
    print(f"{total - missed} of {total} hold, {seconds:.1f} s")


if __name__ == "__main__":
    main()
