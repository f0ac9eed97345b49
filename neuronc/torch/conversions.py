"""Modules that convert a part of themselves in the forward pass, while torch traces them.

    self.router = self.router.to(torch.float32)

Torch would exchange the parameters, and fails, because they are not real while it traces. Where
all have the type and the place already, there is nothing to convert, and the module is left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from functools import wraps
from importlib import import_module
from itertools import chain
from typing import Any

import torch
from torch.nn import Module

NAMED = {"float": torch.float32, "half": torch.float16, "bfloat16": torch.bfloat16}
"""Methods that convert floating-point parameters, with the type that each makes."""


@contextmanager
def conversions_without_effect() -> Generator[None]:
    """Within, a module that would be converted to what it is already stays as it is."""
    known: dict[str, Callable[..., Module]] = {n: vars(Module)[n] for n in ("to", *NAMED)}
    try:
        for name, method in known.items():
            setattr(Module, name, _only_with_effect(method, NAMED.get(name)))
        yield
    finally:
        for name, method in known.items():
            setattr(Module, name, method)


def _only_with_effect(
    method: Callable[..., Module], named: torch.dtype | None
) -> Callable[..., Module]:
    @wraps(method)
    def convert(module: Module, *args: Any, **kwargs: Any) -> Module:
        device, dtype, order = (None, named, None) if named else _asked_for(args, kwargs)
        if order is None and all(_is(t, device, dtype) for t in _tensors(module)):
            return module
        return method(module, *args, **kwargs)

    return convert


def _asked_for(args: Any, kwargs: Any) -> tuple[Any, Any, Any]:
    """Device, type and memory format of the arguments of `to`."""
    namespace: Any = import_module("torch._C._nn")
    parsed = namespace._parse_to(*args, **kwargs)
    return parsed[0], parsed[1], parsed[3]


def _tensors(module: Module) -> Iterator[torch.Tensor]:
    return chain(module.parameters(), module.buffers())


def _is(tensor: torch.Tensor, device: torch.device | None, dtype: torch.dtype | None) -> bool:
    """Whether a tensor is there already; a type is for floating-point and complex ones only."""
    converted = dtype is not None and (tensor.is_floating_point() or tensor.is_complex())
    return device in (None, tensor.device) and (not converted or tensor.dtype is dtype)
