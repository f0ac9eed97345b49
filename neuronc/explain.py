"""What the codes of errors mean: one page of Markdown each, `neuronc/explanations/0123.md`.

A page has a title, the cause, an example that fails with this very code and one that works:

    # NRC-0123: the title
    ...
    Fails:
    ```mlir
    ...
    Works:
    ```mlir
    ...

Examples in MLIR are compiled. Examples in Python run beside `MODEL`, as model.mlir and compiled as
model.neff. The tests do all of that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from neuronc.errors import InputError

PREFIX = "NRC-"
AREAS = {
    "01": "Programs that cannot be read",
    "02": "Things that are not supported",
    "03": "Programs that do not fit",
    "04": "Damaged artifacts",
    "05": "Runs",
    "06": "Weights and written files",
    "07": "Wrong names",
    "08": "Golden outputs",
    "09": "PyTorch models",
}
"""By the first two digits."""

MODEL = """func.func @main(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %w = stablehlo.constant dense<[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]> : tensor<8xf32>
  %0 = stablehlo.broadcast_in_dim %w, dims = [1] : (tensor<8xf32>) -> tensor<4x8xf32>
  %1 = stablehlo.add %x, %0 : tensor<4x8xf32>
  return %1 : tensor<4x8xf32>
}
"""

_EXAMPLE = r"```(\w+)\n(.*?)```"
_PAGE = re.compile(
    rf"# (NRC-\d{{4}}): (.*?)\n\n(.*?)\n\nFails:\n\n{_EXAMPLE}\n\nWorks:\n\n{_EXAMPLE}\n", re.DOTALL
)


@dataclass(frozen=True)
class Example:
    """A program, and the language it is in: `mlir` or `python`."""

    language: str
    text: str


@dataclass(frozen=True)
class Explanation:
    """One page."""

    code: str
    title: str
    cause: str
    fails: Example
    works: Example


def explain(code: str) -> str:
    """Return the page of a code, which may be given as `NRC-0123`, `nrc-123` or `123`.

    Raises:
        InputError: there is no such code.
    """
    digits = code.upper().removeprefix(PREFIX)
    found = pages().get(f"{PREFIX}{digits:0>4}")
    if found is None:
        hint = f"known: {', '.join(pages())}"
        raise InputError("code", f"there is no {code!r}", hint, code="NRC-0706")
    return found


@cache
def pages() -> dict[str, str]:
    """The page of each code."""
    folder = files("neuronc") / "explanations"
    named = {entry.name.removesuffix(".md"): entry for entry in folder.iterdir()}
    numbers = sorted(name for name in named if name.isdecimal())
    return {PREFIX + number: named[number].read_text(encoding="utf-8") for number in numbers}


def explanations() -> list[Explanation]:
    """All pages, taken apart."""
    return [_parse(page) for page in pages().values()]


def _parse(page: str) -> Explanation:
    match = _PAGE.fullmatch(page)
    assert match is not None, page
    code, title, cause, *examples = match.groups()
    return Explanation(code, title, cause, Example(*examples[:2]), Example(*examples[2:]))
