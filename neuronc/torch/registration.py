"""Custom operations: what `torch.library` defines gets its meaning in StableHLO.

@neuronc.torch.register(torch.ops.mylib.swish.default)
def swish(s, x, beta):
    return s.b.multiply(x, s.b.unary("logistic", s.b.multiply(x, s.b.like(beta, x))))
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from neuronc.torch.table import Emitter, custom, name_of


def register(op: Any) -> Callable[[Emitter], Emitter]:
    """Register how an operation, or its default overload, is written.

    The function gets the scope of its node (see `neuronc.torch.scope.Scope`), then the arguments,
    tensors as MLIR values; it returns one value, or one per result.
    """
    overload = op if hasattr(op, "overloadpacket") or not hasattr(op, "default") else op.default
    return custom(name_of(overload))
