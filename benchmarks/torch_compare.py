"""Compile a PyTorch model, run it once, and compare it with eager PyTorch: outputs and state.

The error of a tensor is the largest difference over its largest value; NaN must meet NaN, and
infinities their like.
"""

# pyright: basic
# The modules compared are of no one type.

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import process_time
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils import _pytree

import neuronc
import neuronc.torch
from neuronc.torch.elements import to_numpy

Call = tuple[Sequence[Any], Mapping[str, Any]]
Case = tuple[nn.Module, Sequence[Any], Mapping[str, Any]]


@dataclass(frozen=True)
class Comparison:
    """One model, compiled and run once."""

    error: float
    """Of outputs and changed state, against eager, or against float64 where that is given."""
    eager: float
    """Eager's own error against float64, where that is given; else 0."""
    state: int
    """Tensors that the model changes, compared too."""
    operations: int
    """Of the StableHLO program, before any pass."""
    library_share: float
    """Of the floating-point operations, those that the library does instead of an engine."""
    export_s: float
    compile_s: float
    run_s: float
    """Times of one core."""


def compare(case: Case, exact: Case | None = None) -> Comparison:
    """Compile a model for these arguments, and run it beside eager PyTorch.

    With the same model in float64, errors are those against it.
    """
    model, args, kwargs = case
    before = copy.deepcopy(model)
    start = process_time()
    exported = neuronc.torch.export(model, tuple(args), kwargs)
    emitted = process_time()
    compiled = neuronc.torch.compile_exported(exported)
    done = process_time()
    program = neuronc.load(compiled)
    inputs = [to_numpy(t) for t in (*tensors((args, kwargs)), *exported.state.values())]
    inputs = [np.array(i) for i in inputs]
    program(*inputs)
    again = process_time()
    found = program(*inputs)
    ran = process_time() - again
    names = [o.name for o in program.signature.outputs][len(exported.outputs) :]
    wanted, own = eager(before, (args, kwargs), names, exported.inputs), 0.0
    if exact is not None:
        halves = [to_numpy(t) for t in wanted]
        wanted = eager(exact[0], exact[1:], names, exported.inputs)
        own = error(halves, wanted)
    report = compiled.report
    return Comparison(
        error=error(found, wanted),
        eager=own,
        state=len(names),
        operations=count(exported),
        library_share=report.library_flops / max(report.library_flops + report.tensor_flops, 1),
        export_s=emitted - start,
        compile_s=done - emitted,
        run_s=ran,
    )


def eager(
    model: nn.Module, call: Call, names: Sequence[str], inputs: Sequence[str] = ()
) -> list[Tensor]:
    """The outputs of a copy of the model, then what it has made of this state.

    Tensors of the call may be among the state, as those of a cache, by the names of the `inputs`.
    """
    model, (args, kwargs) = copy.deepcopy(model), copy.deepcopy(call)
    given = dict(zip(inputs, tensors((args, kwargs)), strict=bool(inputs)))
    with torch.no_grad():
        outputs = tensors(model(*args, **kwargs))
    state = {**dict(model.named_parameters()), **dict(model.named_buffers()), **given}
    return [*outputs, *(state[n] for n in names)]


def in_dtype(value: Any, dtype: torch.dtype) -> Any:
    """Arguments with their floating-point tensors in a type."""

    def cast(leaf: Any) -> Any:
        real = isinstance(leaf, Tensor) and leaf.is_floating_point()
        return leaf.to(dtype) if real else leaf

    return _pytree.tree_map(cast, value)


def tensors(value: Any) -> list[Tensor]:
    """The tensors of arguments or of an output, in torch's order."""
    return [leaf for leaf in _pytree.tree_leaves(value) if isinstance(leaf, Tensor)]


def error(found: Sequence[Any], wanted: Sequence[Tensor]) -> float:
    """The largest relative difference; infinite where one is NaN or infinite and the other not."""
    worst = 0.0
    for ours, theirs in zip(found, wanted, strict=True):
        want, got = _wide(to_numpy(theirs)), _wide(ours)
        if want.shape != got.shape or not np.array_equal(np.isnan(want), np.isnan(got)):
            return float("inf")
        real = np.isfinite(want)
        if not np.array_equal(want[~real], got[~real], equal_nan=True):
            return float("inf")
        if real.any():
            scale = max(np.abs(want[real]).max(), 1e-30)
            worst = max(worst, float(np.abs(got - want)[real].max() / scale))
    return worst


def _wide(array: Any) -> Any:
    return array.astype(np.complex128 if np.iscomplexobj(array) else np.float64)


def count(exported: neuronc.torch.Exported) -> int:
    """The operations of the StableHLO program."""
    (block,) = exported.module.body.operations[0].regions[0].blocks
    return sum(1 for _ in block.operations)
