"""Run JAX's own tests on neuronc: `python -m tests.jax_suite CHECKOUT --sample 60`."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.jax_suite.record import BAD, STATUSES, WRONG, Record, read

FILES = (
    *("lax_test", "lax_autodiff_test", "lax_control_flow_test", "lax_vmap_op_test"),
    *("lax_vmap_test", "lax_numpy_test", "lax_numpy_einsum_test", "lax_numpy_indexing_test"),
    *("lax_numpy_operators_test", "lax_numpy_reducers_test", "lax_numpy_setops_test"),
    *("lax_numpy_ufuncs_test", "lax_numpy_vectorize_test", "lax_scipy_test"),
    *("lax_scipy_sparse_test", "lax_scipy_special_functions_test", "lax_scipy_spectral_dac_test"),
    *("linalg_test", "eigh_test", "svd_test", "qdwh_test", "lobpcg_test", "cholesky_update_test"),
    *("fft_test", "scipy_fft_test", "image_test", "nn_test", "random_lax_test", "random_test"),
    *("sparse_test", "sparse_bcoo_bcsr_test", "sparsify_test", "scipy_stats_test"),
    *("scipy_signal_test", "scipy_ndimage_test", "scipy_interpolate_test", "scipy_optimize_test"),
    *("ode_test", "polynomial_test", "experimental_rnn_test", "custom_linear_solve_test"),
    *("custom_root_test", "dtypes_test", "generated_fun_test", "batching_test", "jet_test"),
    *("shape_poly_test", "ann_test", "scaled_dot_test", "stax_test", "optimizers_test"),
)
"""Those whose subject is numbers, not several devices, callbacks or JAX's own insides."""

ENDED = (0, 1, 5)
"""Exit statuses of pytest: all pass, some fail, none collected."""
PLUGIN = "tests.jax_suite.plugin"
ROOT = Path(__file__).parents[2]


def run_file(checkout: Path, name: str, records: Path, options: argparse.Namespace) -> list[Record]:
    """Run the sample of one file, and try what is wrong on XLA."""
    asked = {
        "records": str(records),
        "sample": options.sample,
        "seed": options.seed,
        "limit_seconds": options.limit,
    }
    tried = -1
    # Each process that dies leaves the record of one more test.
    while len(read(records)) > tried:
        tried = len(read(records))
        if _pytest(checkout, name, asked | {"judge": False}, options) in ENDED:
            break
    if any(record.status == WRONG for record in read(records).values()):
        _pytest(checkout, name, asked | {"judge": True}, options)
    return list(read(records).values())


def _pytest(
    checkout: Path, name: str, asked: dict[str, object], options: argparse.Namespace
) -> int:
    """Run one process of pytest; returns its exit status."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", PLUGIN, "-p", "no:cacheprovider"]
    command += ["-p", "no:xdist", "-c", os.devnull, f"--rootdir={checkout}", "-W", "ignore"]
    command += [f"tests/{name}.py", *(("-k", options.only) if options.only else ())]
    more = {
        "NEURONC_JAX_SUITE": json.dumps(asked),
        "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))),
        "JAX_PLATFORMS": "cpu",
        "JAX_ENABLE_X64": str(int(options.x64)),
    }
    done = subprocess.run(
        command, cwd=checkout, env=os.environ | more, capture_output=True, text=True, check=False
    )
    if done.returncode not in ENDED and not Path(str(asked["records"])).exists():
        print(f"{name}: {(done.stdout + done.stderr)[-2000:]}", file=sys.stderr)
    return done.returncode


def row(name: str, records: Sequence[Record]) -> str:
    """One line of the table."""
    count = Counter(record.status for record in records)
    programs = sum(record.programs for record in records)
    cells = [name, str(len(records)), *(str(count[status]) for status in STATUSES), str(programs)]
    return f"| {' | '.join(cells)} |"


def header() -> str:
    """The first two lines of the table."""
    cells = ["file", "tests", *STATUSES, "programs"]
    return f"| {' | '.join(cells)} |\n|{'---|' * len(cells)}"


def _explain(records: Sequence[Record]) -> None:
    """Print how what is bad failed, and which programs were refused."""
    for record in records:
        if record.status in BAD:
            last = record.detail.strip().splitlines()[-1:] or ["the process ended"]
            print(f"{record.test}: {record.status}: {last[0]}", file=sys.stderr, flush=True)
        for refusal in record.refused:
            line = refusal.splitlines()[0]
            print(f"{record.test}: {record.status}: {line}", file=sys.stderr, flush=True)


def main(words: Sequence[str] | None = None) -> int:
    """Exit with 1 if a test is wrong or ends the process."""
    parser = argparse.ArgumentParser(prog="python -m tests.jax_suite", description=__doc__)
    parser.add_argument("checkout", type=Path, help="where JAX's tests/ is")
    parser.add_argument("files", nargs="*", default=FILES, help="default: all about numbers")
    parser.add_argument("--sample", type=int, default=60, help="tests of each file; 0: all")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--limit", type=int, default=60, help="seconds that a test may take")
    parser.add_argument("--x64", action="store_true", help="with 64-bit types enabled")
    parser.add_argument("--only", default="", help="tests that pytest's -k selects")
    parser.add_argument("--records", type=Path, help="keep the records here, and go on from them")
    options = parser.parse_args(words)
    print(header(), flush=True)
    every: list[Record] = []
    with TemporaryDirectory() as scratch:
        room = options.records or Path(scratch)
        room.mkdir(parents=True, exist_ok=True)
        for name in options.files:
            found = run_file(options.checkout, name, room / f"{name}.jsonl", options)
            print(row(name, found), flush=True)
            _explain(found)
            every += found
    print(row("**all**", every))
    return int(any(record.status in BAD for record in every))


if __name__ == "__main__":
    sys.exit(main())
