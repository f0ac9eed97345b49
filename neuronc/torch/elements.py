"""Element types three ways: torch's, MLIR's, NumPy's.

An element is called by its MLIR spelling, as everywhere in neuronc: "f32", "i64", "i1".
"""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import torch
from jaxlib.mlir import ir
from numpy.typing import NDArray

ELEMENT_OF: dict[torch.dtype, str] = {
    torch.bool: "i1",
    torch.int8: "i8",
    torch.int16: "i16",
    torch.int32: "i32",
    torch.int64: "i64",
    torch.uint8: "ui8",
    torch.uint16: "ui16",
    torch.uint32: "ui32",
    torch.uint64: "ui64",
    torch.float16: "f16",
    torch.bfloat16: "bf16",
    torch.float32: "f32",
    torch.float64: "f64",
    torch.complex64: "complex<f32>",
    torch.complex128: "complex<f64>",
    torch.float8_e4m3fn: "f8E4M3FN",
    torch.float8_e5m2: "f8E5M2",
    torch.float8_e4m3fnuz: "f8E4M3FNUZ",
    torch.float8_e5m2fnuz: "f8E5M2FNUZ",
}
"""MLIR's name of each torch dtype that has one."""

DTYPE_OF = {element: dtype for dtype, element in ELEMENT_OF.items()}

_VIEWED_AS: dict[torch.dtype, tuple[torch.dtype, Any]] = {
    torch.bfloat16: (torch.uint16, ml_dtypes.bfloat16),
    torch.float8_e4m3fn: (torch.uint8, ml_dtypes.float8_e4m3fn),
    torch.float8_e5m2: (torch.uint8, ml_dtypes.float8_e5m2),
    torch.float8_e4m3fnuz: (torch.uint8, ml_dtypes.float8_e4m3fnuz),
    torch.float8_e5m2fnuz: (torch.uint8, ml_dtypes.float8_e5m2fnuz),
}
"""Types that torch does not hand to NumPy: by which bits, and as which type."""

NUMPY_OF: dict[str, np.dtype[Any]] = {
    "i1": np.dtype(np.bool_),
    "i8": np.dtype(np.int8),
    "i16": np.dtype(np.int16),
    "i32": np.dtype(np.int32),
    "i64": np.dtype(np.int64),
    "ui8": np.dtype(np.uint8),
    "ui16": np.dtype(np.uint16),
    "ui32": np.dtype(np.uint32),
    "ui64": np.dtype(np.uint64),
    "f16": np.dtype(np.float16),
    "bf16": np.dtype(ml_dtypes.bfloat16),
    "f32": np.dtype(np.float32),
    "f64": np.dtype(np.float64),
    "complex<f32>": np.dtype(np.complex64),
    "complex<f64>": np.dtype(np.complex128),
    "f8E4M3FN": np.dtype(ml_dtypes.float8_e4m3fn),
    "f8E5M2": np.dtype(ml_dtypes.float8_e5m2),
    "f8E4M3FNUZ": np.dtype(ml_dtypes.float8_e4m3fnuz),
    "f8E5M2FNUZ": np.dtype(ml_dtypes.float8_e5m2fnuz),
}


def is_float(element: str) -> bool:
    """Whether it is a real floating-point type."""
    return element.startswith(("f", "bf"))


def is_complex(element: str) -> bool:
    """Whether it is a complex type."""
    return element.startswith("complex")


def is_unsigned(element: str) -> bool:
    """Whether it is an unsigned integer, or a boolean."""
    return element.startswith("ui") or element == "i1"


def mlir_element(element: str) -> ir.Type:
    """The MLIR type of an element, in the current context."""
    return ir.Type.parse(element)


def tensor_type(shape: tuple[int, ...], element: str) -> ir.RankedTensorType:
    """`tensor<...xELEMENT>`, in the current context."""
    return ir.RankedTensorType.get(list(shape), mlir_element(element))


def to_numpy(tensor: torch.Tensor) -> NDArray[Any]:
    """The elements of a tensor as an array, without a copy where its memory is contiguous.

    A tensor without data (on the meta device) becomes an array of its shape that holds no memory.
    """
    tensor = tensor.detach()
    if tensor.device.type == "meta":
        return np.broadcast_to(np.zeros((), NUMPY_OF[ELEMENT_OF[tensor.dtype]]), tensor.shape)
    tensor = tensor.cpu().resolve_conj().resolve_neg().contiguous()
    if tensor.dtype in _VIEWED_AS:
        bits, kind = _VIEWED_AS[tensor.dtype]
        return tensor.view(bits).numpy().view(kind)
    return tensor.numpy()
