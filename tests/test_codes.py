"""Every error has a code, every code a page, and the examples of each page do what it says."""

from __future__ import annotations

import ast
import re
import runpy
from collections.abc import Iterator
from pathlib import Path

import pytest

import neuronc
from neuronc import errors
from neuronc.errors import InputError, NeuroncError
from neuronc.explain import AREAS, MODEL, Example, Explanation, explain, explanations, pages

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "neuronc"
CODE = re.compile(r"NRC-\d{4}")
KINDS = {name for name, kind in vars(errors).items() if isinstance(kind, type)}
TREES = {path: ast.parse(path.read_text()) for path in sorted(PACKAGE.rglob("*.py"))}


def errors_made() -> Iterator[tuple[str, list[ast.expr]]]:
    """Where an error is made, and the code it gets."""
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            name = node.func if isinstance(node, ast.Call) else None
            if isinstance(node, ast.Call) and isinstance(name, ast.Name) and name.id in KINDS:
                code = [k.value for k in node.keywords if k.arg == "code"]
                yield f"{path.relative_to(ROOT)}:{node.lineno}", code


def written_codes() -> set[str]:
    strings = (n for tree in TREES.values() for n in ast.walk(tree) if isinstance(n, ast.Constant))
    return {s.value for s in strings if isinstance(s.value, str) and CODE.fullmatch(s.value)}


def test_every_error_is_made_with_a_code():
    assert [where for where, code in errors_made() if not code] == []


def test_codes_are_written_out_where_an_error_is_made():
    """But in the frontend, where a code comes with the problem that an error is made of."""
    hidden = [w for w, code in errors_made() if not isinstance(code[0], ast.Constant)]
    assert [w for w in hidden if not w.startswith("neuronc/frontend/")] == []


def test_codes_and_pages_correspond():
    assert written_codes() == set(pages())


def test_pages_are_whole_and_grouped():
    for explanation in explanations():
        assert explanation.code[4:6] in AREAS
        assert explanation.fails != explanation.works
        assert explanation.title[0].islower() or explanation.title.startswith(("MLIR", "HLO"))


@pytest.fixture(scope="module")
def compiled() -> bytes:
    return bytes(neuronc.compile(MODEL))


@pytest.fixture
def beside_model(tmp_path: Path, compiled: bytes, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "model.mlir").write_text(MODEL)
    (tmp_path / "model.neff").write_bytes(compiled)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(example: Example) -> None:
    if example.language == "mlir":
        neuronc.compile(example.text)
    else:
        assert example.language == "python"
        try:
            exec(compile(example.text, "<example>", "exec"), {"__name__": "example"})
        except Exception as error:
            # torch.compile wraps what a backend raises.
            raise getattr(error, "inner_exception", error) from error


@pytest.mark.parametrize("explanation", explanations(), ids=lambda e: e.code)
@pytest.mark.usefixtures("beside_model")
def test_the_examples_do_what_the_page_says(explanation: Explanation):
    with pytest.raises(NeuroncError) as caught:
        run(explanation.fails)
    assert caught.value.code == explanation.code, str(caught.value)
    run(explanation.works)


@pytest.mark.parametrize("code", ["NRC-0103", "nrc-0103", "0103", "103"])
def test_a_code_is_explained_however_it_is_written(code: str):
    assert explain(code).startswith("# NRC-0103: ")


def test_an_unknown_code_is_an_error():
    with pytest.raises(InputError, match="there is no 'NRC-4711'"):
        explain("NRC-4711")


def test_the_page_of_all_errors_is_current():
    generator = runpy.run_path(str(ROOT / "docs" / "errors.py"))
    assert generator["PAGE"].read_text() == generator["page"]()
