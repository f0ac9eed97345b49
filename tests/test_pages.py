"""Documentation is true: its commands run, and print what it says they print."""

from __future__ import annotations

import re
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from neuronc.hardware import DEFAULT_TARGET
from neuronc.pipeline import stages
from tests.pages import DOCUMENTS, PAGES, ROOT, SCRIPTS, Runner, blocks, loose, prose


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", PAGES, ids=named)
def test_a_page_does_what_it_says(
    path: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """`pytest --update-golden tests/test_pages.py` writes the outputs into the pages."""
    page, runner = path.read_text(), Runner(tmp_path)
    new, end = "", 0
    for block in blocks(page):
        now = runner.run(block)
        if request.config.getoption("--update-golden"):
            new += page[end : block.start] + now
            end = block.start + len(block.text)
        else:
            assert loose(now) == loose(block.text)
    if end and new + page[end:] != page:
        path.write_text(new + page[end:])


@pytest.mark.parametrize("path", SCRIPTS, ids=named)
def test_the_scripts_of_a_page_run(path: Path, tmp_path: Path) -> None:
    runner = Runner(tmp_path)
    for block in blocks(path.read_text()):
        if block.language == "python":
            runner.script(block)


def script(name: str) -> ModuleType:
    """A script of docs/, imported."""
    spec = spec_from_file_location(f"docs_{name}", ROOT / "docs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_the_passes_is_up_to_date(request: pytest.FixtureRequest) -> None:
    passes = script("passes")
    if request.config.getoption("--update-golden"):
        passes.PAGE.write_text(passes.page())
    assert passes.page() == passes.PAGE.read_text(), "run `python docs/passes.py`"


def test_every_pass_has_an_example() -> None:
    steps = {step.name for stage in stages(DEFAULT_TARGET) for step in stage.passes}
    assert {*script("passes").PASSES, "tile-kernels"} == steps


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_links_lead_to_files(path: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", prose(path.read_text()))
    assert [t for t in targets if not (path.parent / t).exists()] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_files_that_pages_name_exist(path: Path) -> None:
    names = re.findall(r"`((?:neuronc|tests|docs|examples|benchmarks)/[\w./-]+)`", path.read_text())
    assert [n for n in names if not (ROOT / n).exists()] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_tests_that_pages_name_exist(path: Path) -> None:
    files = (ROOT / "tests").rglob("test_*.py")
    tests = {name for file in files for name in re.findall(r"def (test_\w+)", file.read_text())}
    assert set(re.findall(r"`(test_\w+)`", path.read_text())) <= tests


def test_the_architecture_names_every_part() -> None:
    """What is a file or folder of neuronc is in the table, or serves one that is."""
    page = (ROOT / "docs" / "architecture.md").read_text()
    packages = [p.parent for p in (ROOT / "neuronc").glob("*/__init__.py")]
    assert [p for p in packages if f"`neuronc/{p.name}`" not in page] == []


def test_the_two_commands_of_the_readme_are_what_ci_runs() -> None:
    readme = (ROOT / "README.md").read_text()
    typed = [line for b in blocks(readme) if b.language == "bash" for line in b.text.splitlines()]
    made = {line.removeprefix("make ") for line in typed if line.startswith("make ")}
    script = (ROOT / ".ci" / "run").read_text()
    assert made == {"run", "test"}
    assert all(f"\nmake {target}\n" in script for target in made)
