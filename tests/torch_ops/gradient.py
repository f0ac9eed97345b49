"""One sample forward and backward, by AOTAutograd as `torch.compile` has it, against eager's."""

from __future__ import annotations

from typing import Any

import torch
from functorch.compile import aot_function
from torch.utils import _pytree as pytree

import neuronc
from neuronc.torch.backend import BackendOptions, _decompositions, boxed
from tests.torch_ops.cell import (
    CRASHED,
    NO_GRAPH,
    REFUSED,
    WORKS,
    WRONG,
    Cell,
    Sample,
    difference,
    line,
    names_of,
    tensors_of,
)


def attempt_backward(sample: Sample) -> Cell:
    """Run one sample and its gradients both ways."""
    tensors = tensors_of(sample)
    try:
        wanted = _gradients(sample.call, tensors)
        again = _gradients(sample.call, tensors)
    except Exception as error:
        return Cell(sample, NO_GRAPH, line(error))
    if any(t.layout is not torch.strided for t in wanted):
        return Cell(sample, NO_GRAPH, "sparse gradients")
    if not wanted or difference([t.numpy() for t in wanted], again):
        return Cell(sample, NO_GRAPH, "random, or no gradients")
    return _compared(sample, tensors, wanted)


def _compared(sample: Sample, tensors: list[torch.Tensor], wanted: list[torch.Tensor]) -> Cell:
    seen: set[str] = set()

    def compiler(graph: torch.fx.GraphModule, _: Any) -> Any:
        seen.update(names_of(graph))
        return boxed(graph, BackendOptions())

    call = aot_function(sample.call, compiler, compiler, decompositions=_decompositions())
    try:
        found = _gradients(call, tensors)
    except neuronc.NeuroncError as error:
        return Cell(sample, REFUSED, line(error))
    except Exception as error:
        ours = "neuronc" in _files(error)
        return Cell(sample, CRASHED if ours else NO_GRAPH, line(error))
    ours = [t.numpy() for t in found]
    problem = difference(ours, wanted)
    if problem and not difference(ours, _in_float64(sample, tensors)):
        problem = ""
    return Cell(sample, WRONG if problem else WORKS, problem, sorted(seen))


def _in_float64(sample: Sample, tensors: list[torch.Tensor]) -> list[torch.Tensor]:
    """The same, rounded once: where what eager loses in a difference is all that there is."""
    wide = [t.double() if t.dtype is torch.float32 else t for t in tensors]
    given = [w.detach().requires_grad_(t.requires_grad) for w, t in zip(wide, tensors, strict=True)]
    made = _gradients(sample.call, given)
    return [t.float() if t.dtype is torch.float64 else t for t in made]


def _files(error: Exception) -> str:
    """The files that an exception went through, in words."""
    found, trace = "", error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        found += name.partition("/neuronc/torch/")[1]
        trace = trace.tb_next
    return found


def _gradients(call: Any, tensors: list[torch.Tensor]) -> list[torch.Tensor]:
    """The outputs that have gradients, and the gradients of their sum with fixed weights."""
    given = [t.detach().clone().requires_grad_(t.requires_grad) for t in tensors]
    made = [x for x in pytree.tree_leaves(call(*given)) if isinstance(x, torch.Tensor)]
    made = [x for x in made if x.requires_grad and not x.is_complex()]
    inputs = [t for t in given if t.requires_grad]
    if not made or not inputs:
        return []
    generator = torch.Generator().manual_seed(1)
    weights = [torch.rand(x.shape, generator=generator, dtype=x.dtype) + 0.5 for x in made]
    found = torch.autograd.grad(made, inputs, weights, allow_unused=True)
    return [t.detach() for t in (*made, *found) if t is not None]
