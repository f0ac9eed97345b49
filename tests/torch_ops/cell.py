"""One sample input of one operation: exported, compiled and run, against eager torch.

What is random, gives no tensor, or takes a shape from values is no cell. A sample ends as

    works      every output agrees with eager's
    refused    a coded error that says what is not supported
    wrong      an output differs, in shape or in value
    crashed    any other exception of neuronc's
    no graph   torch.export cannot trace it; nothing of neuronc was asked
"""

from __future__ import annotations

import functools
import itertools
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.export import exported_program
from torch.testing._internal.common_methods_invocations import op_db
from torch.utils import _pytree as pytree

import neuronc
import neuronc.torch
from neuronc.torch.elements import to_numpy

exported_program._collect_all_valid_cia_ops = functools.cache(
    exported_program._collect_all_valid_cia_ops
)
"""Torch lists all its operations anew for each export, which takes longer than all else here."""
WORKS, REFUSED, WRONG, CRASHED, NO_GRAPH = "works", "refused", "wrong", "crashed", "no graph"
RANDOM = {"empty", "empty_like", "empty_permuted", "empty_strided", "new_empty"}
"""Operations whose values mean nothing."""
TOLERANCE = {
    torch.float32: 1e-4,
    torch.float64: 1e-4,
    torch.complex64: 1e-4,
    torch.complex128: 1e-4,
    torch.float16: 1e-2,
    torch.bfloat16: 6e-2,
}
"""Of the largest value: OpInfo's samples reach 10 in size, so that sums of a hundred products
cancel by three digits; 2^10 roundings of 2^-24, or 2^3 of the halves' 2^-11 and 2^-8 (whose sums
eager may round at every step), are these."""


@dataclass(frozen=True)
class Sample:
    """One call of one operation."""

    op: str
    dtype: torch.dtype
    index: int
    call: Any
    leaves: list[Any]

    @property
    def id(self) -> str:
        """As it is asked for on the command line."""
        return f"{self.op} : {str(self.dtype).removeprefix('torch.')} : {self.index}"


@dataclass(frozen=True)
class Cell:
    """What became of a sample."""

    sample: Sample
    status: str
    detail: str = ""


class Called(torch.nn.Module):
    """An operation whose tensors are the module's arguments, and all else part of it."""

    def __init__(self, function: Any, leaves: list[Any], spec: Any) -> None:
        super().__init__()
        self.function, self.spec = function, spec
        self.fixed = [None if isinstance(x, torch.Tensor) else x for x in leaves]
        self.places = [i for i, x in enumerate(leaves) if isinstance(x, torch.Tensor)]

    def forward(self, *tensors: torch.Tensor) -> Any:
        """The operation's result."""
        leaves = list(self.fixed)
        for place, tensor in zip(self.places, tensors, strict=True):
            leaves[place] = tensor
        args, kwargs = pytree.tree_unflatten(leaves, self.spec)
        return self.function(*args, **kwargs)


def _judged(info: Any, sample: Any) -> Any:
    """The operation, followed by what makes its result one that can be compared.

    OpInfo fixes the signs of singular vectors and the like; where equal elements may come in any
    order, an index is as good as the element that it looks up.
    """
    process = sample.output_process_fn_grad
    given = [*sample.args, *sample.kwargs.values()]

    def judged(*args: Any, **kwargs: Any) -> Any:
        made = process(info.op(*args, **kwargs))
        if info.name not in ANY_OF_EQUALS or not args[0].dim():
            return made
        dims = [v for v in given if type(v) is int]
        dim = kwargs.get("dim", dims[-1] if len(dims) > ANY_OF_EQUALS[info.name] else -1)
        values, indices = made
        full = indices if indices.dim() == args[0].dim() else indices.unsqueeze(dim)
        return values, args[0].gather(dim, full)

    return judged


ANY_OF_EQUALS = {"topk": 1, "kthvalue": 1, "median": 0, "nanmedian": 0, "mode": 0, "sort": 0}
"""Operations whose indices are those of any of equal elements; and how many numbers stand before
the dimension."""


def samples(dtype: torch.dtype, each: int, only: str = "", every: int = 1) -> Iterator[Sample]:
    """The first samples of every operation that takes the type, always the same."""
    for info in op_db[::every]:
        name = info.formatted_name
        if only not in name or info.name in RANDOM or dtype not in info.supported_dtypes("cpu"):
            continue
        torch.manual_seed(0)
        np.random.seed(0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            given = info.sample_inputs("cpu", dtype, requires_grad=False)
            for index, sample in enumerate(itertools.islice(given, each)):
                leaves, spec = pytree.tree_flatten(((sample.input, *sample.args), sample.kwargs))
                call = Called(_judged(info, sample), leaves, spec)
                yield Sample(name, dtype, index, call, leaves)


def attempt(sample: Sample) -> Cell:
    """Run one sample both ways."""
    tensors = [x for x in sample.leaves if isinstance(x, torch.Tensor)]
    try:
        wanted = _eager(sample, tensors)
        program = torch.export.export(sample.call, tuple(t.clone() for t in tensors))
    except Exception as error:
        return Cell(sample, NO_GRAPH, _line(error))
    if wanted is None or any(map(_is_random, program.graph.nodes)):
        return Cell(sample, NO_GRAPH, "random, or no tensors")
    try:
        compiled = neuronc.torch.compile_model(program)
        found = neuronc.load(compiled)(*[to_numpy(t.contiguous()) for t in tensors])
    except neuronc.NeuroncError as error:
        return Cell(sample, REFUSED, _line(error))
    except Exception as error:
        return Cell(sample, CRASHED, _line(error))
    problem = difference(found, wanted)
    return Cell(sample, WRONG if problem else WORKS, problem)


def _is_random(node: torch.fx.Node) -> bool:
    return torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ())


def _eager(sample: Sample, tensors: list[torch.Tensor]) -> list[torch.Tensor] | None:
    """The outputs of eager torch; none if they are not the same twice, or no tensors."""
    first, second = (
        [x for x in pytree.tree_leaves(sample.call(*(t.clone() for t in tensors)))] for _ in "ab"
    )
    same = all(
        isinstance(x, torch.Tensor) and torch.equal(torch.nan_to_num(x), torch.nan_to_num(y))
        for x, y in zip(first, second, strict=True)
    )
    return first if same and first else None


def difference(found: Any, wanted: list[torch.Tensor]) -> str:
    """What differs; empty if nothing does."""
    if len(found) < len(wanted):
        return f"{len(found)} outputs, not {len(wanted)}"
    for index, (ours, theirs) in enumerate(zip(found, wanted, strict=False)):
        want = to_numpy(theirs.detach().resolve_conj().resolve_neg().contiguous())
        if ours.shape != want.shape or ours.dtype != want.dtype:
            return f"output {index}: {ours.dtype}{ours.shape}, not {want.dtype}{want.shape}"
        error = _error(ours, want)
        if not error <= TOLERANCE.get(theirs.dtype, 0.0):
            return f"output {index}: error {error:.1e}"
    return ""


def _error(ours: Any, want: Any) -> float:
    """Relative to the largest finite value; infinite if NaN or infinity is not where it is."""
    wide = np.complex128 if want.dtype.kind == "c" else np.float64
    exact = want.dtype.kind in "iub"
    if exact:
        return float(np.any(ours != want))
    x, y = ours.astype(wide), want.astype(wide)
    finite = np.isfinite(y)
    if np.any(np.isfinite(x) != finite) or not np.array_equal(
        x[~finite], y[~finite], equal_nan=True
    ):
        return float("inf")
    scale = max(1.0, float(np.max(np.abs(y[finite]), initial=0.0)))
    return float(np.max(np.abs(x[finite] - y[finite]), initial=0.0)) / scale


def _line(error: Exception) -> str:
    """The first two lines of a message that say something, and the type."""
    code = getattr(error, "code", "")
    text = " ".join(str(error).split())[:300]
    return f"{code or type(error).__name__}: {text}"
