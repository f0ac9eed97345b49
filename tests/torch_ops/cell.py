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
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch.export import exported_program
from torch.testing._internal.common_methods_invocations import op_db
from torch.utils import _pytree as pytree

import neuronc
import neuronc.torch
from neuronc.torch.elements import to_numpy
from neuronc.torch.table import name_of
from tests.torch_ops.core import CORE

exported_program._collect_all_valid_cia_ops = functools.cache(
    exported_program._collect_all_valid_cia_ops
)
"""Torch lists all its operations anew for each export, which takes longer than all else here."""
WORKS, REFUSED, WRONG, CRASHED, NO_GRAPH = "works", "refused", "wrong", "crashed", "no graph"
RANDOM = {
    *("empty", "empty_like", "empty_permuted", "empty_strided", "new_empty", "new_empty_strided"),
}
"""Operations whose values mean nothing."""
SAMPLES_MAX = 60
"""Of an operation, among which some are chosen."""
TOLERANCE = {
    torch.float32: 1e-4,
    torch.float64: 1e-11,
    torch.complex64: 1e-4,
    torch.complex128: 1e-11,
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
    aten: list[str] = field(default_factory=list[str])
    """The operations of the graph, before torch took it apart and after."""


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
        if info.name in POLES:
            return torch.where(made.abs() > POLE, made * float("inf"), made)
        alone = isinstance(made, torch.Tensor)  # As a median of all elements has no index.
        if info.name not in ANY_OF_EQUALS or alone or not args[0].dim():
            return made
        dims = [v for v in given if type(v) is int]
        dim = kwargs.get("dim", dims[-1] if len(dims) > ANY_OF_EQUALS[info.name] else -1)
        values, indices = made
        full = indices if indices.dim() == args[0].dim() else indices.unsqueeze(dim)
        return values, args[0].gather(dim, full)

    return judged


POLES = {"polygamma", "special.polygamma"}
"""Operations with poles at integers, where eager squares 1 / sin(pi n) as it happens to round."""
POLE = 2.0**40
"""Counts as infinite there: sin(pi n) rounds to at most n 2^-22 in float32."""
ANY_OF_EQUALS = {"topk": 1, "kthvalue": 1, "median": 0, "nanmedian": 0, "mode": 0, "sort": 0}
"""Operations whose indices are those of any of equal elements; and how many numbers stand before
the dimension."""


def infos() -> list[Any]:
    """The operations whose values mean something, each name once; and core ones themselves."""
    named = {info.formatted_name: info for info in op_db if info.name not in RANDOM}
    return [*named.values(), *CORE]


def samples(
    dtype: torch.dtype, each: int, only: str = "", every: int = 1, *, exact: bool = False,
    gradients: bool = False,
) -> Iterator[Sample]:  # fmt: skip
    """Some samples of every operation that takes the type, always the same.

    They are spread over all that there are, since those of one kind stand together.
    """
    for info in infos()[::every]:
        name = info.formatted_name
        wanted = name == only if exact else only in name
        if not wanted or dtype not in info.supported_dtypes("cpu"):
            continue
        torch.manual_seed(0)
        np.random.seed(0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = info.sample_inputs("cpu", dtype, requires_grad=gradients)
            given = list(itertools.islice(made, SAMPLES_MAX))
        for index in sorted({(2 * i + 1) * len(given) // (2 * each) for i in range(each)}):
            if given:
                yield sample_of(info, dtype, index, given[index])


def sample_of(info: Any, dtype: torch.dtype, index: int, given: Any) -> Sample:
    """One of the calls that `OpInfo` gives, or one of the same kind."""
    leaves, spec = pytree.tree_flatten(((given.input, *given.args), given.kwargs))
    call = Called(_judged(info, given), leaves, spec)
    return Sample(info.formatted_name, dtype, index, call, leaves)


def tensors_of(sample: Sample) -> list[torch.Tensor]:
    """Its arguments that are tensors."""
    return [x for x in sample.leaves if isinstance(x, torch.Tensor)]


class Together(torch.nn.Module):
    """Several samples as one program, which takes their tensors one after the other."""

    def __init__(self, given: list[Sample]) -> None:
        super().__init__()
        self.calls = torch.nn.ModuleList([s.call for s in given])
        self.counts = [len(tensors_of(s)) for s in given]

    def forward(self, *tensors: torch.Tensor) -> Any:
        """The results of all, each flat."""
        left = iter(tensors)
        return [
            pytree.tree_leaves(call(*itertools.islice(left, count)))
            for call, count in zip(self.calls, self.counts, strict=True)
        ]


def attempt(sample: Sample) -> Cell:
    """Run one sample both ways."""
    (cell,) = attempt_all([sample])
    return cell


def attempt_all(given: Sequence[Sample]) -> list[Cell]:
    """Run samples both ways, all in one program; where it fails, in two."""
    cells: dict[int, Cell] = {}
    wanted: dict[int, list[torch.Tensor]] = {}
    for sample in given:
        try:
            found = _eager(sample, tensors_of(sample))
        except Exception as error:
            cells[id(sample)] = Cell(sample, NO_GRAPH, line(error))
            continue
        if found is None:
            cells[id(sample)] = Cell(sample, NO_GRAPH, "random, or no tensors")
        else:
            wanted[id(sample)] = found
    left = [s for s in given if id(s) in wanted]
    cells |= {id(c.sample): c for c in _halved(left, wanted)}
    return [cells[id(s)] for s in given]


def _halved(given: Sequence[Sample], wanted: dict[int, list[torch.Tensor]]) -> list[Cell]:
    """All that work together; who is named by an error alone, and the rest again."""
    if not given:
        return []
    try:
        return _together(given, wanted)
    except neuronc.NeuroncError as error:
        status, detail, named = REFUSED, line(error), _numbers(str(error))
    except _NoGraphError as error:
        status, detail, named = NO_GRAPH, str(error), error.named
    except Exception as error:
        status, detail, named = CRASHED, line(error), set[int]()
    if len(given) == 1:
        return [Cell(given[0], status, detail)]
    if named:
        apart = [s for i, s in enumerate(given) if i in named]
        rest = [s for i, s in enumerate(given) if i not in named]
        alone = [c for s in apart for c in _halved([s], wanted)]
        return [*alone, *_halved(rest, wanted)]
    half = len(given) // 2
    return [*_halved(given[:half], wanted), *_halved(given[half:], wanted)]


class _NoGraphError(Exception):
    """torch.export cannot trace it, or what it traces is random."""

    def __init__(self, text: str, named: set[int]) -> None:
        super().__init__(text)
        self.named = named


def _numbers(text: str) -> set[int]:
    """Which samples a message names, by their modules."""
    return set(map(int, re.findall(r"calls\.(\d+)", text)))


def _together(given: Sequence[Sample], wanted: dict[int, list[torch.Tensor]]) -> list[Cell]:
    tensors = [t for s in given for t in tensors_of(s)]
    try:
        program = torch.export.export(Together(list(given)), tuple(t.clone() for t in tensors))
    except Exception as error:
        raise _NoGraphError(line(error), set()) from error
    if drawn := {i for n in program.graph.nodes if _is_random(n) for i in _owners(n)}:
        raise _NoGraphError("random", drawn)
    names = _names(program.graph_module, len(given))
    exported = neuronc.torch.export(program)
    for more, kept in zip(_names(exported.program.graph_module, len(given)), names, strict=True):
        kept |= more
    run = neuronc.load(neuronc.torch.compile_exported(exported))
    found = iter(run(*[to_numpy(t.contiguous()) for t in tensors]))
    cells: list[Cell] = []
    for sample, seen in zip(given, names, strict=True):
        want = wanted[id(sample)]
        ours = [next(found) for _ in want]
        problem = difference(ours, want, _units(sample))
        if problem and sample.dtype is torch.float16:
            problem = _beyond_half(sample, ours, problem)
        cells.append(Cell(sample, WRONG if problem else WORKS, problem, sorted(seen)))
    return cells


def _beyond_half(sample: Sample, ours: list[Any], problem: str) -> str:
    """Eager may leave float16's range on the way to a number inside it; then float64 is right."""
    given = [t.double() if t.dtype is torch.float16 else t for t in tensors_of(sample)]
    try:
        exact = pytree.tree_leaves(sample.call(*given))
    except RuntimeError:
        return problem
    halves = [x.half() if x.dtype is torch.float64 else x for x in exact]
    return problem if difference(ours, halves) else ""


def _owners(node: torch.fx.Node) -> set[int]:
    """The sample that a node belongs to, known by the module that it comes from."""
    paths = [path for path, _ in node.meta.get("nn_module_stack", {}).values()]
    return {i for path in paths for i in _numbers(path)}


def _names(graph: torch.fx.GraphModule, count: int) -> list[set[str]]:
    """The operations that each sample calls."""
    found: list[set[str]] = [set() for _ in range(count)]
    for node in graph.graph.nodes:
        if node.op == "call_function" and "." in name_of(node.target):
            for owner in _owners(node):
                found[owner].add(name_of(node.target))
    return found


def names_of(graph: torch.fx.GraphModule) -> set[str]:
    """The operations that a graph calls."""
    nodes = [n for n in graph.graph.nodes if n.op == "call_function"]
    return {name_of(n.target) for n in nodes if "." in name_of(n.target)}


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


def _units(sample: Sample) -> int:
    """How far integers may be apart: torch resizes bytes with weights of 16 bits, and rounds."""
    resizes = "interpolate" in sample.op or "upsample" in sample.op
    return int(resizes and sample.dtype is torch.uint8)


def difference(found: Any, wanted: list[torch.Tensor], units: int = 0) -> str:
    """What differs, integers by more than `units`; empty if nothing does."""
    if len(found) < len(wanted):
        return f"{len(found)} outputs, not {len(wanted)}"
    for index, (ours, theirs) in enumerate(zip(found, wanted, strict=False)):
        want = to_numpy(theirs.detach().resolve_conj().resolve_neg().contiguous())
        if ours.shape != want.shape or ours.dtype != want.dtype:
            return f"output {index}: {ours.dtype}{ours.shape}, not {want.dtype}{want.shape}"
        error = _error(ours, want, units)
        if not error <= TOLERANCE.get(theirs.dtype, 0.0):
            return f"output {index}: error {error:.1e}"
    return ""


def _error(ours: Any, want: Any, units: int) -> float:
    """Relative to the largest finite value; infinite if NaN or infinity is not where it is.

    Of integers, whether they are further apart than `units`.
    """
    wide = np.complex128 if want.dtype.kind == "c" else np.float64
    if want.dtype.kind in "iub":
        return float(_apart(ours, want, units))
    x, y = ours.astype(wide), want.astype(wide)
    finite = np.isfinite(y)
    if np.any(np.isfinite(x) != finite) or not np.array_equal(
        x[~finite], y[~finite], equal_nan=True
    ):
        return float("inf")
    scale = max(1.0, float(np.max(np.abs(y[finite]), initial=0.0)))
    return float(np.max(np.abs(x[finite] - y[finite]), initial=0.0)) / scale


def _apart(ours: Any, want: Any, units: int) -> bool:
    if not units:
        return bool(np.any(ours != want))
    return bool(np.any(np.abs(ours.astype(np.int64) - want.astype(np.int64)) > units))


def line(error: Exception) -> str:
    """The first two lines of a message that say something, and the type."""
    code = getattr(error, "code", "")
    text = " ".join(str(error).split())[:300]
    return f"{code or type(error).__name__}: {text}"
