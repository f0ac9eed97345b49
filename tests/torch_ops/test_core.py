"""Torch's core opset: everything of it is supported, taken apart, or refused with a reason."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("expecttest", reason="torch's operation database needs it")

from neuronc.torch.decompositions import decompositions  # noqa: E402
from neuronc.torch.table import REFUSED  # noqa: E402
from tests.torch_ops.cell import WORKS, attempt_all, samples  # noqa: E402
from tests.torch_ops.core import CORE  # noqa: E402

DOCS = Path(__file__).parents[2] / "docs"
PAGE: dict[str, Any] = runpy.run_path(str(DOCS / "aten.py"))


def test_every_core_operation_has_a_fate() -> None:
    """By torch's own tag, not by a list of ours."""
    table = decompositions()
    assert len(PAGE["core"]()) > 180
    assert [str(op) for op in PAGE["core"]() if not PAGE["fate"](op, table)] == []


def test_every_core_operation_that_is_supported_has_agreed_with_eager() -> None:
    """In the sweep that the page was made from; or there is a reason that it has no sample."""
    verified = json.loads((DOCS / "aten.json").read_text())["verified"]
    known = {*verified, *REFUSED, *PAGE["UNCALLED"]}
    assert [str(op) for op in PAGE["core"]() if str(op) not in known] == []
    assert set(PAGE["UNCALLED"]) <= set(map(str, PAGE["core"]()))


def test_core_operations_are_what_eager_computes() -> None:
    """Each called by itself, all in one program."""
    given = [s for info in CORE for s in _samples(info)]
    cells = attempt_all(given)
    wrong = [(c.sample.id, c.detail) for c in cells if c.status != WORKS]
    assert len(cells) == len(CORE)
    assert wrong == []
    assert [c.sample.op for c in cells if _overload(c.sample.op) not in c.aten] == []


def _samples(info: Any) -> list[Any]:
    (dtype,) = info.supported_dtypes("cpu")
    return list(samples(dtype, 1, info.formatted_name, exact=True))


def _overload(name: str) -> str:
    return name if name.count(".") == 2 else f"{name}.default"
