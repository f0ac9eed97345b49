"""The architecture: who may import whom, and that the runtime needs no compiler."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "neuronc").rglob("*.py"))
LAYERS = (
    ("collector", "errors", "dtypes", "hardware", "units", "version"),
    ("numerics",),
    ("isa",),
    ("artifact", "timeline"),
    ("calls", "dialects", "runtime", "waiting"),
    ("frontend", "passes"),
    ("backend",),
    ("inputs", "rolled", "stages"),
    ("pipeline",),
    (
        "arrays",
        "cache",
        "checking",
        "coverage",
        "explain",
        "golden_compare",
        "golden_reference",
        "ir",
        "profile",
        "provenance",
        "report",
        "residency",
    ),
    ("golden_manifest", "listing", "observe", "trace"),
    ("api",),
    ("golden",),
    ("torch",),
    ("cli",),
    ("__init__", "__main__"),
)
"""A part imports from parts further up; parts on one line never meet."""
HEIGHT = {part: height for height, parts in enumerate(LAYERS) for part in parts}
RUNTIME = ("errors", "dtypes", "hardware", "units", "numerics", "isa", "artifact", "runtime")
THIRD_PARTY = {
    "numpy": tuple(HEIGHT),
    "ml_dtypes": tuple(HEIGHT),
    "xdsl": tuple(part for part in HEIGHT if HEIGHT[part] >= HEIGHT["dialects"]),
    "jax": ("frontend", "golden_reference"),
    "jaxlib": ("frontend", "golden_reference", "rolled", "torch"),
    "safetensors": ("backend",),
    "rich": ("cli",),
    "torch": ("torch",),
}
"""Who may import what from outside the standard library."""


def part_of(path: Path) -> str:
    return path.relative_to(ROOT / "neuronc").with_suffix("").parts[0]


def late_imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, module) of every `import_module("neuronc...")`: late, but a dependency too."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="import_module"), args=[ast.Constant(value=str(name))]):
                yield node.lineno, name


def imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, module) of every import; `from neuronc import x` counts as neuronc.x."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None, "relative import"
            names = [f"neuronc.{alias.name}" for alias in node.names]
            yield from (
                (node.lineno, n) for n in (names if node.module == "neuronc" else [node.module])
            )


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_one_way(path: Path) -> None:
    part = part_of(path)
    assert part in HEIGHT, f"{part} has no place in LAYERS"
    tree = ast.parse(path.read_text())
    for line, module in (*imports(tree), *late_imports(tree)):
        package, _, rest = module.partition(".")
        other = rest.partition(".")[0]
        if package == "neuronc":
            fine = other == part or HEIGHT[other] < HEIGHT[part]
            assert fine, f"{path.name}:{line}: {part} may not import {other}"
        elif package not in sys.stdlib_module_names:
            allowed = ("numpy", "ml_dtypes") if part in RUNTIME else THIRD_PARTY
            fine = package in allowed and part in THIRD_PARTY[package]
            assert fine, f"{path.name}:{line}: {part} may not import {package}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_stand_at_the_top(path: Path) -> None:
    """A function that imports hides a dependency from the layers, and a cycle from everybody."""
    for function in ast.walk(ast.parse(path.read_text())):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            found = [f"{path.name}:{line}" for line, _ in imports(function)]
            assert not found


def run_python(code: str, cache: Path) -> str:
    """The output of a fresh interpreter that keeps its bytecode in `cache`."""
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    env = {**kept, "PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": str(cache)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.mark.parametrize("module", ["neuronc.runtime", "neuronc.runtime.load"])
def test_the_runtime_loads_nothing_of_the_compiler(module: str, tmp_path: Path) -> None:
    code = f"import {module}, sys; print(*{{name.partition('.')[0] for name in sys.modules}})"
    loaded = set(run_python(code, tmp_path).split())
    assert {"numpy", "neuronc"} <= loaded or module == "neuronc.runtime"
    assert not loaded & {"jax", "jaxlib", "xdsl", "rich", "safetensors", "torch", "pytest"}


def test_the_runtime_starts_in_a_fifth_of_a_second(tmp_path: Path) -> None:
    """On top of NumPy and ml_dtypes; in time of one core, which other processes do not stretch."""
    code = """if True:
        import numpy, ml_dtypes, time
        start = time.process_time()
        import neuronc.runtime.load
        print(time.process_time() - start)
    """
    assert min(float(run_python(code, tmp_path)) for _ in range(3)) < 0.2
