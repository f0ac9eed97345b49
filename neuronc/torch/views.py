"""Tensors as arrays and arrays as tensors, over the same memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from neuronc.errors import UnsupportedError
from neuronc.torch.elements import DTYPE_OF, ELEMENT_OF, NUMPY_OF

_BITS = {1: (torch.uint8, np.dtype(np.uint8)), 2: (torch.int16, np.dtype(np.int16))}
"""By bytes an element: what both sides know, for types of torch that NumPy lacks."""
_over: Callable[[NDArray[Any]], torch.Tensor] = vars(torch)["from_numpy"]
_NATIVE = {d for d in ELEMENT_OF if ELEMENT_OF[d][:2] not in ("bf", "f8")}
_TENSOR_OF = {NUMPY_OF[element]: dtype for element, dtype in DTYPE_OF.items()}


def view_of(tensor: torch.Tensor) -> NDArray[Any]:
    """The tensor's own memory as an array, in any layout.

    Raises:
        UnsupportedError: it is not in the memory of the host, or of a type that neuronc lacks.
    """
    dtype = tensor.dtype
    if tensor.requires_grad:
        tensor = tensor.detach()
    if dtype in _NATIVE and tensor.device.type == "cpu":
        return tensor.numpy()
    if tensor.device.type != "cpu" or dtype not in ELEMENT_OF:
        hint = "move the model and its inputs to the CPU"
        problem = f"a tensor of {dtype} on {tensor.device} is given"
        raise UnsupportedError("arguments", problem, hint, code="NRC-0912")
    bits, _ = _BITS[dtype.itemsize]
    return tensor.view(bits).numpy().view(NUMPY_OF[ELEMENT_OF[dtype]])


def from_numpy(array: NDArray[Any]) -> torch.Tensor:
    """A tensor over the array's memory."""
    dtype = _TENSOR_OF[array.dtype]
    if dtype in _NATIVE:
        return _over(array)
    _, kind = _BITS[dtype.itemsize]
    return _over(array.view(kind)).view(dtype)
