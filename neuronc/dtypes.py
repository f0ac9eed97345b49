"""Element types: one row each, with the MLIR name, the NumPy type and the code in the artifact.

Sub-byte types are stored one element per byte, as ml_dtypes does. Codes are part of the artifact
format (docs/neff.md) and never change; new rows get new codes.
"""

from __future__ import annotations

from dataclasses import dataclass

import ml_dtypes
import numpy as np
from numpy.typing import DTypeLike


@dataclass(frozen=True)
class ElementType:
    """One element type of StableHLO and how it is held in memory."""

    code: int
    name: str
    """MLIR spelling, with `ui8` for unsigned and `i1` for booleans."""
    numpy: np.dtype
    engine: bool = True
    """Whether the vector, scalar and gpsimd engines compute on it (hardware.md 2.1)."""

    @property
    def bytes(self) -> int:
        """Bytes per element in SBUF, HBM and the artifact."""
        return self.numpy.itemsize

    @property
    def is_float(self) -> bool:
        """Whether it is a real floating-point type."""
        return self.name.startswith(("f", "bf"))

    @property
    def is_complex(self) -> bool:
        """Whether it is a complex type."""
        return self.name.startswith("complex")

    @property
    def is_integer(self) -> bool:
        """Whether it is a signed or unsigned integer, booleans excluded."""
        return self.name[0] in "iu" and self.name != "i1"


def _row(code: int, name: str, numpy: DTypeLike, engine: bool = True) -> ElementType:
    return ElementType(code, name, np.dtype(numpy), engine)


ELEMENT_TYPES: tuple[ElementType, ...] = (
    _row(1, "i1", np.bool_),
    _row(2, "i8", np.int8),
    _row(3, "ui8", np.uint8),
    _row(4, "i16", np.int16),
    _row(5, "ui16", np.uint16),
    _row(6, "i32", np.int32),
    _row(7, "ui32", np.uint32),
    _row(8, "i64", np.int64, engine=False),
    _row(9, "ui64", np.uint64, engine=False),
    _row(10, "f16", np.float16),
    _row(11, "bf16", ml_dtypes.bfloat16),
    _row(12, "f32", np.float32),
    _row(13, "f64", np.float64, engine=False),
    _row(14, "complex<f32>", np.complex64, engine=False),
    _row(15, "complex<f64>", np.complex128, engine=False),
    _row(16, "f8E4M3", ml_dtypes.float8_e4m3),
    _row(17, "f8E4M3FN", ml_dtypes.float8_e4m3fn),
    _row(18, "f8E5M2", ml_dtypes.float8_e5m2),
    _row(19, "f8E3M4", ml_dtypes.float8_e3m4),
    _row(20, "f8E8M0FNU", ml_dtypes.float8_e8m0fnu),
    _row(21, "f8E4M3B11FNUZ", ml_dtypes.float8_e4m3b11fnuz, engine=False),
    _row(22, "f8E4M3FNUZ", ml_dtypes.float8_e4m3fnuz, engine=False),
    _row(23, "f8E5M2FNUZ", ml_dtypes.float8_e5m2fnuz, engine=False),
    _row(24, "i2", ml_dtypes.int2, engine=False),
    _row(25, "ui2", ml_dtypes.uint2, engine=False),
    _row(26, "i4", ml_dtypes.int4, engine=False),
    _row(27, "ui4", ml_dtypes.uint4, engine=False),
    _row(28, "f4E2M1FN", ml_dtypes.float4_e2m1fn, engine=False),
    _row(29, "f6E2M3FN", ml_dtypes.float6_e2m3fn, engine=False),
    _row(30, "f6E3M2FN", ml_dtypes.float6_e3m2fn, engine=False),
)
BY_NAME = {row.name: row for row in ELEMENT_TYPES}
BY_CODE = {row.code: row for row in ELEMENT_TYPES}
BY_NUMPY = {row.numpy: row for row in ELEMENT_TYPES}
