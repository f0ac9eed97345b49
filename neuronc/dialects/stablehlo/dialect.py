"""The stablehlo and chlo dialects as xDSL registers them, and all operations by name.

One level of abstraction: whole arrays of any shape, in the program's own terms. Not decided yet:
which engine computes what, how arrays are tiled, and where they live.
"""

from __future__ import annotations

from types import ModuleType

from xdsl.ir import Dialect

from neuronc.dialects.stablehlo import (
    binary,
    chlo,
    collective,
    constant,
    contraction,
    control,
    dynamic,
    movement,
    reduction,
    terminator,
    unary,
)
from neuronc.dialects.stablehlo.base import StablehloOp
from neuronc.dialects.stablehlo.weight import Weight
from neuronc.dialects.types import FloatType, TokenType


def _classes(*modules: ModuleType) -> dict[str, type[StablehloOp]]:
    """The operation classes that are defined in the modules, by operation name."""
    members = (member for module in modules for member in vars(module).values())
    classes = (member for member in members if isinstance(member, type))
    return {cls.name: cls for cls in classes if issubclass(cls, StablehloOp) and _is_defined(cls)}


def _is_defined(cls: type[StablehloOp]) -> bool:
    """Whether a class is an operation, not a common base."""
    return "name" in vars(cls)


_STABLEHLO = _classes(
    unary,
    binary,
    constant,
    movement,
    contraction,
    reduction,
    control,
    collective,
    dynamic,
    terminator,
)
_CHLO = _classes(chlo)

OPS: dict[str, type[StablehloOp]] = _STABLEHLO | _CHLO
"""Every operation class by its full name, as `stablehlo.add`."""

DIALECT = Dialect("stablehlo", list(_STABLEHLO.values()), [Weight, FloatType, TokenType])
CHLO = Dialect("chlo", list(_CHLO.values()), [])
