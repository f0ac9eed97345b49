"""A sample of the sweep; and that the table of operations says what runs."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

from neuronc.cli import main
from neuronc.coverage import ENGINES, coverage
from neuronc.frontend.supported import supported_ops
from tests.sweep.cell import REFUSED, WORKS, accepts, attempt
from tests.sweep.reference import Reference
from tests.sweep.table import shown
from tests.sweep.template import Template
from tests.sweep.templates import TEMPLATES

EVERY = 97
"""The sample: one program in so many, a prime so that types and operations mix."""
SAMPLE = [(t, k) for t in TEMPLATES for k in t.kinds][::EVERY]
DOCS = Path(__file__).parents[2] / "docs"
IMPLICIT = {"stablehlo.return", "stablehlo.create_token", "stablehlo.after_all"}
"""Operations that no program of the sweep is about."""


@pytest.fixture(scope="module")
def judges() -> dict[str, Reference]:
    return {name: Reference(name) for name in ("xla", "interpreter")}


@pytest.mark.parametrize(("template", "kind"), SAMPLE, ids=lambda x: getattr(x, "id", x))
def test_a_program_works_or_is_refused(
    template: Template, kind: str, judges: dict[str, Reference]
) -> None:
    if not accepts(template, kind):
        assert kind not in coverage().get(template.op, {}) or template.variant
        return
    cell = attempt(template, kind, dict(judges))
    assert cell.status in (WORKS, REFUSED), cell.detail
    said = coverage()[template.op][kind]
    if cell.status == WORKS:
        assert set(shown(cell.engines)) <= {*said, "dma"}
    else:
        assert cell.detail in said or set(said) <= set(ENGINES)


def test_the_page_of_operations_is_up_to_date() -> None:
    assert runpy.run_path(str(DOCS / "ops.py"))["page"]() == (DOCS / "ops.md").read_text()


def test_every_operation_has_a_row() -> None:
    assert set(supported_ops()) - IMPLICIT <= set(coverage())


def test_the_command_and_the_page_say_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ops", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    dialect, rows = "", {}
    for line in (DOCS / "ops.md").read_text().splitlines():
        dialect = line[3:].lower() if line.startswith("## ") else dialect
        if line.startswith("| `"):
            rows[f"{dialect}.{line.split('`')[1]}"] = line
    assert rows.keys() == printed.keys()
    for op, kinds in printed.items():
        assert all(kind in rows[op] for kind in kinds)


def test_a_row_that_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ops", "stablehlo.remainder"]) == 0
    out = capsys.readouterr().out
    assert "complex<f32> (NRC-0215)" in out
    assert main(["ops", "remainder"]) == 1
    assert "NRC-0707" in capsys.readouterr().err
