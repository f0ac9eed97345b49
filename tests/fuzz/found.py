"""Programs that once failed: `found/*.mlir`, kept as the fuzzer shrank them.

The first line says what was wrong; `// %a1: small` says how an argument's data is drawn, and
`// rounded: 4` that results are not exact but at most so large.
"""

from __future__ import annotations

import re
from pathlib import Path

from tests.fuzz.scope import Argument, Program
from tests.fuzz.values import Type, Value

FOLDER = Path(__file__).parent / "found"


def found() -> list[Path]:
    """All of them, in order."""
    return sorted(FOLDER.glob("*.mlir"))


def headline(path: Path) -> str:
    """What was wrong."""
    return path.read_text().splitlines()[0].removeprefix("// ")


def load(path: Path) -> Program:
    """The program of a file."""
    lines = path.read_text().splitlines()
    text = "\n".join(line for line in lines if not line.startswith("//")).strip() + "\n"
    notes = dict(re.findall(r"^// (%?\w+): (.*)$", "\n".join(lines), re.MULTILINE))
    head = re.search(r"@main\((.*?)\) -> \((.*?)\) \{", text, re.DOTALL)
    assert head is not None
    arguments = [
        Argument(Value(name, _type(kind)), notes.get(name, "small"))
        for name, kind in re.findall(r"(%\w+): (tensor<[^>]*>)", head[1])
    ]
    exact, bound = "rounded" not in notes, float(notes.get("rounded", 1))
    results = [Value("%r", _type(t), bound, exact) for t in re.findall(r"tensor<[^>]*>", head[2])]
    return Program(text, tuple(arguments), tuple(results))


def _type(text: str) -> Type:
    match = re.fullmatch(r"tensor<((?:\d+x)*)(\w+)>", text)
    assert match is not None
    return Type(tuple(int(n) for n in match[1].split("x") if n), match[2])
