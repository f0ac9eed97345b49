"""Run an archive of cases: `python -m tests.conformance PATH.zip`."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
from pathlib import Path

from tests.conformance.outcome import PASS, Outcome, run_share
from tests.conformance.report import DOCUMENT, coverage_of, document, summary, text


def run(archive: Path, only: str = "", jobs: int = 2) -> list[Outcome]:
    """All outcomes, in the archive's order, computed by `jobs` processes."""
    if jobs == 1:
        return run_share(archive, only, 0, 1)
    # Spawned, not forked: jaxlib has threads.
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        shares = pool.starmap(run_share, [(archive, only, i, jobs) for i in range(jobs)])
    total = sum(map(len, shares))
    return [shares[i % jobs][i // jobs] for i in range(total)]


def main() -> int:
    """Exit with 1 if any case misses."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("archive", type=Path, help="an archive like ../shared/stablehlo/cases.zip")
    parser.add_argument("--only", default="", help="run the cases whose id contains this")
    parser.add_argument("--jobs", type=int, default=2, help="worker processes")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--write", action="store_true", help="rewrite docs/conformance.md")
    options = parser.parse_args()
    start = time.perf_counter()
    outcomes = run(options.archive, options.only, options.jobs)
    seconds = time.perf_counter() - start
    if options.json:
        print(json.dumps(summary(outcomes, seconds) | {"engines": coverage_of(outcomes)}, indent=1))
    else:
        print(text(outcomes, seconds))
    if options.write:
        DOCUMENT.write_text(document(outcomes))
    return int(any(o.status != PASS for o in outcomes))


if __name__ == "__main__":
    sys.exit(main())
