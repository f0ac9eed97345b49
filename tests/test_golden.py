"""Printed IR: every file under golden/passes and golden/backend, by the command on its first line.

The second line says why the case exists. `pytest --update-golden` writes what should come out.
"""

from __future__ import annotations

import shlex
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from neuronc import api
from neuronc.hardware import DEFAULT_TARGET, GENERATIONS, TRN2
from neuronc.ir import is_ir, parse_ir, print_ir
from neuronc.pipeline import stages

GOLDEN = Path(__file__).parent / "golden"
CASES = sorted([*(GOLDEN / "passes").glob("*.mlir"), *(GOLDEN / "backend").glob("*.mlir")])
SMALL = replace(TRN2, name="small", sbuf_bytes_per_partition=3 << 9)
"""A chip that does not exist: `--target small` in the commands."""


@pytest.fixture(autouse=True)
def _small_chip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(GENERATIONS, "small", SMALL)


def command(path: Path) -> tuple[list[str], str]:
    """The passes and the target of a case."""
    first, second, *_ = path.read_text().splitlines()
    assert second.startswith("// "), "the second line says why the case exists"
    words = shlex.split(first)
    assert words[:4] == ["//", "neuronc", "opt", "--passes"]
    options = words[5:] or ["--target", DEFAULT_TARGET]
    assert options[0] == "--target"
    return words[4].split(","), options[1]


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_pass_prints_what_it_should(path: Path, golden) -> None:
    passes, target = command(path)
    printed = api.opt(path.read_text(), passes, target, path.name)
    golden(str(path.relative_to(GOLDEN).with_suffix(".expect")), printed)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_what_is_printed_reads_back(path: Path) -> None:
    printed = path.with_suffix(".expect").read_text()
    if is_ir(printed):
        assert print_ir(parse_ir(printed, path.name)) == printed


def test_every_pass_has_a_case_where_it_fires_and_another() -> None:
    """Cases of a pass are those whose command ends with it."""
    cases: Counter[str] = Counter()
    fires: Counter[str] = Counter()
    for path in CASES:
        passes, target = command(path)
        cases[passes[-1]] += 1
        before = api.opt(path.read_text(), passes[:-1], target, path.name)
        fires[passes[-1]] += before != path.with_suffix(".expect").read_text()
    for name in {step.name for stage in stages(DEFAULT_TARGET) for step in stage.passes}:
        assert fires[name], f"no case shows {name} fire"
        assert cases[name] > 1, f"{name} has one case only"


def test_a_case_whose_name_says_so_leaves_everything_as_it_is() -> None:
    for path in CASES:
        passes, target = command(path)
        if path.stem.endswith(("-stays", "-nothing", "-what-fits")) or "-leaves-" in path.stem:
            before = api.opt(path.read_text(), passes[:-1], target, path.name)
            assert before == path.with_suffix(".expect").read_text(), path.stem
