"""Schedules of published kernels: what they move is what was published, and so is their time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from neuronc.backend.kernels import hbm_bytes
from neuronc.hardware import TRN1, TRN2
from neuronc.isa.table import Engine


@pytest.fixture
def calibration(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "benchmarks")
    return pytest.importorskip("calibration")


def test_a_schedule_moves_the_bytes_that_were_published(calibration: Any) -> None:
    """Hardware.md 7.1 row 2: 5.44, 4.43 and 2.28 GB; checked on a 64th of the shape.

    Tiles of the operands come (M/128) (K/128) (N/512) times when tiled; hoisted, the left one once;
    in blocks of 2 x 2 the right one half as often.
    """
    m, k, n = 1024, 2048, 2048
    left, right, out = 2 * m * k, 2 * k * n, 2 * m * n
    expected = {
        (1, 1, 1): left * (n // 512) + right * (m // 128) + out,
        (1, k // 128, 1): left + right * (m // 128) + out,
        (2, k // 128, 2): left + right * (m // 256) + out,
    }
    for block, size in expected.items():
        shape = calibration.Matmul(m, k, n, "bf16", "mnk", block)
        assert hbm_bytes(shape.schedule(TRN1).streams()) == size
    blocked_k = calibration.Matmul(m, k, n, "bf16", "nkm", (8, 4, 2), True)
    assert hbm_bytes(blocked_k.schedule(TRN1).streams()) == left * (n // 1024) + right + out


def test_a_wide_load_is_one_transfer(calibration: Any) -> None:
    one, many = (
        calibration.Matmul(1024, 1024, 1024, "bf16", "nkm", (8, 8, 2), wide)
        .schedule(TRN2)
        .streams()
        for wide in (True, False)
    )
    assert len(one[Engine.DMA_IN]) == 2 * 8
    assert len(many[Engine.DMA_IN]) == 8 * (8 + 2)
    assert len(one[Engine.TENSOR]) == len(many[Engine.TENSOR]) == 8 * 8 * 2


def test_the_quick_rows_are_within_a_sixth_of_the_measurement(calibration: Any) -> None:
    """The whole table takes ten seconds: `python benchmarks/calibration.py`."""
    rows = [row for row in calibration.ROWS if row.number in (9, 10, 16)]
    assert len(rows) == 4
    for row in rows:
        assert row.build().timeline().seconds * 1e3 == pytest.approx(row.milliseconds, rel=1 / 6)
