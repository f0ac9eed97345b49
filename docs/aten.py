"""Write docs/aten.md: what becomes of every operation of torch's core opset.

python docs/aten.py

What agreed with eager torch is in docs/aten.json, which `python -m tests.torch_ops --write` wrote.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from neuronc.torch.decompositions import decompositions
from neuronc.torch.ops import emitter_of
from neuronc.torch.table import EMITTERS, REFUSED

PAGE = Path(__file__).parent / "aten.md"
SWEEP = PAGE.with_suffix(".json")
HEAD = """# ATen operations

Written by `python docs/aten.py`, for torch {version}. *Supported* operations have an emitter in
`neuronc/torch/ops`; *decomposed* ones torch takes apart into supported ones before neuronc sees
them; *refused* ones end the export with `NRC-0901`, which names all of them at once.
`neuronc.torch.register` gives a meaning to operations of your own.

*Agreed* counts samples whose graph held the operation, before torch took it apart or after, and
whose results were those of eager torch: of torch's own operation database (`OpInfo`), and of core
operations that it never calls. The sweep behind this page (`python -m tests.torch_ops`) tries one
or two of each operation and type, and is not complete; so far:

- {sweep}

*No graph* is what torch.export cannot trace, or what is random. Where it says *not tried*, no
sample that holds the operation has been tried by the sweep.

## The core opset

| operation | what becomes of it | agreed |
|---|---|---|
"""
MORE = """
## Beyond the core

These have emitters too, so they stay whole instead of being taken apart:

{names}.
"""


UNCALLED: dict[str, str] = {
    **dict.fromkeys(
        ("aten.rand.default", "aten.randn.default", "aten.randperm.default"),
        "random; `torch.compile` gives torch's own numbers",
    ),
    "aten.native_dropout.default": "as `aten.rand.default`",
    "aten.empty_strided.default": "its values mean nothing",
    **dict.fromkeys(
        ("aten.sym_numel.default", "aten.sym_size.int", "aten.sym_stride.int"),
        "a number of static shapes",
    ),
    "aten.sym_storage_offset.default": "a number of static shapes",
}
"""Why the sweep has no sample of what is supported."""


def core() -> list[Any]:
    """Every overload that torch tags as core, by name."""
    found: list[Any] = []
    for name in torch._C._dispatch_get_all_op_names():
        if not name.startswith("aten::"):
            continue
        base, _, overload = name.removeprefix("aten::").partition(".")
        op = getattr(getattr(torch.ops.aten, base), overload or "default")
        if torch.Tag.core in op.tags:
            found.append(op)
    return sorted(found, key=str)


def fate(op: Any, table: dict[Any, Any]) -> str:
    """What becomes of one operation; empty if nothing is known, which is a bug."""
    if emitter_of(op) is not None:
        return "supported"
    if str(op) in REFUSED:
        return f"refused (`NRC-0901`): {REFUSED[str(op)]}"
    return "decomposed" if op in table else ""


def _counts(kinds: dict[str, int]) -> str:
    return ", ".join(f"{kind} {count}" for kind, count in kinds.items())


def _agreed(op: Any, counts: dict[str, str]) -> str:
    """How many samples agreed; or why there is none."""
    if str(op) in counts:
        return counts[str(op)]
    return "none" if str(op) in REFUSED else UNCALLED.get(str(op), "not tried")


def _sweep(totals: dict[str, dict[str, int]]) -> str:
    """What became of the samples, by element type."""
    return "\n- ".join(
        f"{kind}: " + ", ".join(f"{n} {status}" for status, n in counts.items())
        for kind, counts in totals.items()
    )


def page() -> str:
    """The page."""
    table = decompositions()
    ops = core()
    found = json.loads(SWEEP.read_text())
    agreed = {op: _counts(kinds) for op, kinds in found["verified"].items()}
    rows = "".join(f"| `{op}` | {fate(op, table)} | {_agreed(op, agreed)} |\n" for op in ops)
    more = sorted(set(EMITTERS) - set(map(str, ops)))
    names = ",\n".join(f"`{name}`" for name in more)
    version = torch.__version__.partition("+")[0]
    return (
        HEAD.format(version=version, sweep=_sweep(found["totals"]))
        + rows
        + MORE.format(names=names)
    )


if __name__ == "__main__":
    PAGE.write_text(page())
