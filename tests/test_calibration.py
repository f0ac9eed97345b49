"""Schedules of published kernels: what they move is what was published, and so is their time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from neuronc.backend.kernels import hbm_bytes
from neuronc.hardware import TRN1, TRN2
from neuronc.isa.instructions import MatMul
from neuronc.isa.records import decode
from neuronc.isa.table import Engine

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(BENCHMARKS)
    names = ("matmul_schedule", "mamba_schedule", "measured_rows", "calibration")
    return SimpleNamespace(**{name: pytest.importorskip(name) for name in names})


def test_a_schedule_moves_the_bytes_that_were_published(bench: Any) -> None:
    """Hardware.md 7.1 row 2: 5.44, 4.43 and 2.28 GB; checked on a 64th of the shape.

    Tiles of the operands come (M/128) (K/128) (N/512) times when tiled; hoisted, the left one once;
    in blocks of 2 x 2 the right one half as often.
    """
    m, k, n = 1024, 2048, 2048
    left, right, out = 2 * m * k, 2 * k * n, 2 * m * n
    expected = {
        "naive": left * (n // 512) + right * (m // 128) + out,
        "tiled": left * (n // 512) + right * (m // 128) + out,
        "hoisted": left + right * (m // 128) + out,
        "blocked": left + right * (m // 256) + out,
        "blocked-k": left * (n // 1024) + right + out,
    }
    for name, size in expected.items():
        shape = bench.matmul_schedule.named(name, m, k, n, "bf16")
        assert hbm_bytes(shape.schedule(TRN1).streams()) == size, name


@pytest.mark.parametrize("name", ["naive", "tiled", "hoisted", "blocked", "blocked-k"])
@pytest.mark.parametrize("shape", [(1, 1, 1), (100, 300, 700), (2200, 1100, 1500), (129, 127, 513)])
def test_edges_are_multiplied_and_moved_as_what_they_are(
    bench: Any, name: str, shape: tuple[int, int, int]
) -> None:
    """The multiply-adds are M K N, and each block of the result leaves once, for any shape."""
    m, k, n = shape
    streams = bench.matmul_schedule.named(name, m, k, n, "bf16").schedule(TRN2).streams()
    assert _multiplied(streams[Engine.TENSOR]) == m * k * n
    assert hbm_bytes({Engine.DMA_OUT: streams[Engine.DMA_OUT]}) == 2 * m * n


def _multiplied(stream: np.ndarray) -> int:
    """Multiply-adds: partitions by columns of the stationary and of the moving operand."""
    products = [record.instruction for record in decode(stream)]
    assert all(isinstance(product, MatMul) for product in products)
    return sum(
        p.stationary.partitions * p.stationary.counts[0] * p.moving.counts[0]
        for p in products
        if isinstance(p, MatMul)
    )


def test_what_overlaps_less_takes_longer(bench: Any) -> None:
    """One buffer waits for each load; reuse of operands then saves the loads themselves."""
    names = ("naive", "tiled", "hoisted", "blocked")
    shapes = [bench.matmul_schedule.named(name, 1000, 2000, 2100, "bf16") for name in names]
    times = [shape.schedule(TRN1).timeline().seconds for shape in shapes]
    assert times == sorted(times, reverse=True)
    assert times[0] > 1.3 * times[1]


def test_a_wide_load_is_one_transfer(bench: Any) -> None:
    one, many = (
        bench.matmul_schedule.Matmul(1024, 1024, 1024, "bf16", "nkm", (8, 8, 2), wide)
        .schedule(TRN2)
        .streams()
        for wide in (True, False)
    )
    assert len(one[Engine.DMA_IN]) == 2 * 8
    assert len(many[Engine.DMA_IN]) == 8 * (8 + 2)
    assert len(one[Engine.TENSOR]) == len(many[Engine.TENSOR]) == 8 * 8 * 2


def test_a_scan_of_any_length_reads_its_inputs_once(bench: Any) -> None:
    channels, tokens = 200, 700
    streams = bench.mamba_schedule.Mamba(channels, tokens, states=2).schedule(TRN1).streams()
    once = 2 * channels * tokens + 2 * channels  # delta and u; a column of each state
    rows = 2 * 2 * 2 * tokens  # b and c, for both groups of channels and both states
    assert hbm_bytes(streams) == 4 * (once + rows + channels * tokens)


def test_the_quick_rows_are_within_a_sixth_of_the_measurement(bench: Any) -> None:
    """The whole table takes half a minute: `python benchmarks/calibration.py`."""
    rows = [row for row in bench.measured_rows.PUBLISHED if row.number in (9, 10, 16)]
    assert len(rows) == 4
    for row in rows:
        assert bench.calibration.price(row).error == pytest.approx(0, abs=1 / 6)


def test_rows_of_a_file_are_priced(bench: Any, tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    shape = {"m": 300, "k": 200, "n": 600, "dtype": "bf16"}
    rows = [
        {"name": "a", "milliseconds": 1, "matmul": {**shape, "schedule": "hoisted"}},
        {"name": "b", "target": "trn1", "matmul": {**shape, "order": "nkm", "block": [2, 1, 1]}},
        {"name": "c", "target": "trn3", "mamba": {"channels": 100, "tokens": 600}},
        {"name": "d", "activations": 10},
    ]
    path.write_text(json.dumps(rows))
    found = [bench.calibration.price(row) for row in bench.measured_rows.read(path)]
    assert [(row.name, row.target) for row in found] == [
        ("a", "trn2"),
        ("b", "trn1"),
        ("c", "trn3"),
        ("d", "trn2"),
    ]
    assert all(row.modelled > 0 for row in found)
    assert [row.error is None for row in found] == [False, True, True, True]


BAD = {
    "not a list": {},
    "expected one of": [{"name": "a"}],
    "unknown target": [{"target": "trn9", "activations": 1}],
    "must be at least 1": [{"matmul": {"m": 0, "k": 1, "n": 1, "dtype": "bf16"}}],
    "unknown type": [{"matmul": {"m": 1, "k": 1, "n": 1, "dtype": "f7"}}],
    "unknown schedule": [{"matmul": {"m": 1, "k": 1, "n": 1, "dtype": "f32", "schedule": "x"}}],
    "an order of m, k and n": [{"matmul": {"m": 1, "k": 1, "n": 1, "dtype": "f32", "order": "mn"}}],
    "it must be above 0": [{"activations": 3, "milliseconds": -1}],
    "unexpected keyword": [{"mamba": {"channel": 1}}],
}


@pytest.mark.parametrize("message", BAD)
def test_a_wrong_row_is_one_clear_error(bench: Any, tmp_path: Path, message: str) -> None:
    path = tmp_path / "rows.json"
    path.write_text(json.dumps(BAD[message]))
    with pytest.raises(ValueError, match=r"rows\.json") as error:
        bench.measured_rows.read(path)
    assert message in str(error.value) or "expected a list" in str(error.value)


def test_the_command_prices_one_matmul() -> None:
    command = [sys.executable, str(BENCHMARKS / "calibration.py"), "--json"]
    shape = ["--matmul", "130", "100", "600", "--measured", "1", "--schedule", "blocked"]
    (row,) = json.loads(subprocess.check_output([*command, *shape]))
    assert row["error"] == pytest.approx(row["modelled"] - 1)
    wrong = subprocess.run([*command, "--rows", "/none"], capture_output=True, text=True)
    assert (wrong.returncode, wrong.stderr[:13]) == (1, "error: /none:")
