"""Whether what `torch.export` made of a model computes what the model computes in eager.

A model may ask whether it is exported (`torch.compiler.is_exporting`), or look at the kind of its
tensors, and then take another way: Hugging Face's make their masks so. Nothing in the program
tells; running both does.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.utils import _pytree

from neuronc.errors import UnsupportedError


def check_agrees(
    program: ExportedProgram,
    model: torch.nn.Module | ExportedProgram,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> None:
    """Run both on copies of the arguments, from one seed, and compare outputs.

    They may differ by the square root of the element type's epsilon, half of its digits, of the
    largest value: the same formula in another order stays far below, another formula does not.

    Raises:
        UnsupportedError: an output is further off, or NaN or infinite in one only; or there is no
            module, or it has no values to run with.
    """
    if isinstance(model, ExportedProgram) or _is_empty(model):
        problem = "verify runs the model in eager, which takes a module and its weights"
        hint = "give both, or leave verify out"
        raise UnsupportedError("model", problem, hint, code="NRC-0907")
    wanted = _outputs(model, args, kwargs)
    found = _outputs(program.module(), args, kwargs)
    for position, (ours, theirs) in enumerate(zip(found, wanted, strict=True)):
        real = theirs.is_floating_point() or theirs.is_complex()
        bound = torch.finfo(theirs.dtype).eps ** 0.5 if real else 0.0
        error = _error(ours, theirs)
        if error <= bound:
            continue
        name = type(model).__name__
        problem = f"torch's program of {name} differs from {name} in eager by {error:.1e}"
        hint = "give the arguments that it makes itself, masks first; or keep is_exporting out"
        where = f"output {position}, which may by {bound:.1e} of its largest value"
        raise UnsupportedError(where, problem, hint, code="NRC-0907")


def _is_empty(model: torch.nn.Module) -> bool:
    return any(t.device.type == "meta" for t in (*model.parameters(), *model.buffers()))


def _outputs(model: torch.nn.Module, args: Any, kwargs: Any) -> list[Tensor]:
    model, (args, kwargs) = copy.deepcopy(model), copy.deepcopy((args, dict(kwargs)))
    random: Any = torch.random
    with torch.no_grad(), random.fork_rng(devices=[]):
        random.manual_seed(0)
        leaves = _pytree.tree_leaves(model(*args, **kwargs))
    return [leaf for leaf in leaves if isinstance(leaf, Tensor)]


def _error(found: Tensor, wanted: Tensor) -> float:
    """The largest difference over the largest finite value; NaN or infinite where kinds differ."""
    if found.shape != wanted.shape:
        return float("inf")
    wide = torch.complex128 if wanted.is_complex() else torch.float64
    ours, theirs = found.to(wide), wanted.to(wide)
    same = ours.eq(theirs) | (ours.isnan() & theirs.isnan())
    difference = (ours - theirs).abs().masked_fill(same, 0.0)
    scale = theirs.abs().nan_to_num(0.0, 0.0).flatten()
    return float(difference.max() / scale.max().clamp(min=1e-30)) if scale.numel() else 0.0
