"""Samples that `OpInfo` avoids: NaN, infinity, signed zeros, denormals, and the ends of integers.

Functions of one or two tensors meet all pairs of such values in one call; what reduces or sorts
meets rows of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.testing._internal.opinfo.core import (
    BinaryUfuncInfo,
    ReductionOpInfo,
    SampleInput,
    UnaryUfuncInfo,
)
from torch.utils import _pytree as pytree

import neuronc
import neuronc.torch
from neuronc.torch.elements import to_numpy
from tests.torch_ops.cell import Sample, Together, infos, sample_of, tensors_of

ROWS: dict[str, tuple[Any, ...]] = {
    **{name: () for name in ("sort", "argsort", "msort", "aminmax")},
    **{name: (2,) for name in ("topk", "kthvalue")},
    **{name: (-1,) for name in ("cummax", "cummin", "max_reduction_with_dim")},
    **{name: (-1,) for name in ("min_reduction_with_dim",)},
}
"""Functions of rows that are no reductions to `OpInfo`, and what else they take."""
QUIRKS = {
    "fmod": "the vectorised kernel gives NaN where x / y overflows; the library's fmod does not",
    "remainder": "as fmod",
    "__rmod__": "as fmod",
    "add": "alpha times a complex infinity has a part that is NaN",
    "sub": "as add",
    "pow": "the vectorised kernel gives NaN for complex zero to the power of zero",
}
"""Where eager's answer depends on how it was computed; only these may differ, in NaN alone."""


def values(dtype: torch.dtype) -> torch.Tensor:
    """What an element type has at its edges."""
    if dtype is torch.bool:
        return torch.tensor([False, True])
    if dtype.is_floating_point or dtype.is_complex:
        real = torch.finfo(dtype)
        numbers = [0.0, -0.0, 0.5, -0.5, 1.5, 2.5, -2.5, 1.0, -1.0, 3.0, -7.0, 1e-3, 20.0, -20.0]
        ends = [real.max, -real.max, real.tiny, float("inf"), -float("inf"), float("nan")]
        return torch.tensor([*numbers, *ends]).to(dtype)
    ends = torch.iinfo(dtype)
    numbers = [0, 1, 2, 3, 7, 8, 20, ends.max, ends.max - 1]
    signed = [-1, -2, -3, -7, -8, ends.min, ends.min + 1] if ends.min else []
    return torch.tensor([*numbers, *signed], dtype=dtype)


def edge_samples(info: Any, dtype: torch.dtype) -> list[SampleInput]:
    """The calls with edges of an operation, if it is of a kind that has them."""
    x = values(dtype)
    if isinstance(info, UnaryUfuncInfo | BinaryUfuncInfo):
        keywords = next(iter(info.sample_inputs("cpu", dtype, requires_grad=False))).kwargs
        made = [SampleInput(x)] if isinstance(info, UnaryUfuncInfo) else _pairs(x, dtype)
        return [SampleInput(m.input, args=m.args, kwargs=keywords) for m in made]
    rows = torch.stack([x.roll(i) for i in range(len(x))])[:: max(len(x) // 4, 1)]
    if info.formatted_name in ROWS:
        return [SampleInput(rows, args=ROWS[info.formatted_name])]
    if isinstance(info, ReductionOpInfo):
        return [SampleInput(rows, kwargs={"dim": -1})]
    return []


def _pairs(x: torch.Tensor, dtype: torch.dtype) -> list[SampleInput]:
    """All pairs of edges; of integers also those that divide, and shift; and numbers of Python."""
    others = [x]
    if not (dtype.is_floating_point or dtype.is_complex or dtype is torch.bool):
        others += [x[x != 0], torch.arange(9, dtype=dtype)]
    made = [_meeting(x, y) for y in others]
    numbers = [2, 2.5] if dtype is not torch.bool else [True, 2, 2.5]
    return made + [SampleInput(x, args=(n,)) for n in numbers]


def _meeting(x: torch.Tensor, y: torch.Tensor) -> SampleInput:
    """All pairs, but for the one that no processor divides: the least integer by -1."""
    p, q = (v.reshape(-1) for v in torch.meshgrid(x, y, indexing="ij"))
    if not (x.dtype.is_floating_point or x.dtype.is_complex or x.dtype is torch.bool):
        kept = ~((p == torch.iinfo(x.dtype).min) & (q == -1))
        p, q = p[kept], q[kept]
    return SampleInput(p.clone(), args=(q.clone(),))


def edge_problems(dtype: torch.dtype, names: set[str]) -> list[str]:
    """What differs from eager at the edges, of these operations, all compiled at once."""
    made = [
        sample_of(info, dtype, index, call)
        for info in infos()
        if info.formatted_name in names and dtype in info.supported_dtypes("cpu")
        for index, call in enumerate(edge_samples(info, dtype))
    ]
    given = [s for s in made if _runs(s)]
    tensors = [t for s in given for t in tensors_of(s)]
    program = torch.export.export(Together(given), tuple(tensors))
    found = iter(neuronc.load(neuronc.torch.compile_model(program))(*map(to_numpy, tensors)))
    return [
        f"{sample.id}: {problem}"
        for sample in given
        for want in pytree.tree_leaves(sample.call(*tensors_of(sample)))
        for problem in [_problem(next(found), to_numpy(want), sample.op in QUIRKS)]
        if problem
    ]


def _runs(sample: Sample) -> bool:
    """Whether eager takes it: not every function takes a number, or divides integers by 0."""
    try:
        sample.call(*tensors_of(sample))
    except (RuntimeError, TypeError):
        return False
    return True


def _problem(ours: Any, want: Any, quirky: bool) -> str:
    """The first elements that differ, each by its own size."""
    if want.dtype.kind in "iub":
        bad = ours != want
        quirky = False
    elif want.dtype.kind == "c":
        pairs = [(x.real, x.imag) for x in (ours, want)]
        close = [np.isclose(x, y, 1e-5, 1e-5, True) for x, y in zip(*pairs, strict=True)]
        bad = ~(close[0] & close[1])
    else:
        bad = ~np.isclose(_wide(ours), _wide(want), _tolerance(want), 1e-37, True)
    if quirky:
        bad &= ~np.isnan(want)
    places = np.argwhere(bad)[:3].tolist()
    return f"at {places} {ours[bad][:3]}, not {want[bad][:3]}" if bad.any() else ""


def _wide(x: Any) -> Any:
    return x.astype(np.float64)


def _tolerance(want: Any) -> float:
    """One rounding of the 16-bit floats; 2^6 of the others, for functions of several steps."""
    return {2: 2.0**-7, 4: 2.0**-17, 8: 2.0**-46}[want.dtype.itemsize]
