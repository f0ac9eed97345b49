"""The table of emitters: how each ATen operation becomes StableHLO.

    @aten("add.Tensor", "add.Scalar")
    def add(s: Scope, x: Operand, y: Operand, alpha: Number = 1) -> Value: ...

An emitter gets the scope of its node and the node's arguments, tensors as MLIR values and all else
as it is, and returns one value, or one per result. An operation that has no emitter is decomposed
by torch; if torch has no decomposition either, the graph is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from jaxlib.mlir import ir

Value = ir.Value
Number = bool | int | float | complex
Operand = Value | Number
Emitted = Value | Sequence[Value | None] | int | None
Emitter = Callable[..., Emitted]
EmitterT = TypeVar("EmitterT", bound=Emitter)
ExpansionT = TypeVar("ExpansionT", bound=Callable[..., Any])

EMITTERS: dict[str, Emitter] = {}
"""By the name of the overload, as "aten.add.Tensor"."""

CUSTOM: dict[str, Emitter] = {}
"""What `neuronc.torch.register` added, by the name of the overload; these win."""

EXPANSIONS: dict[str, Callable[..., Any]] = {}
"""How we take operations apart that torch does not, in torch's own functions; by overload."""

OTHER_NAMESPACES = ("prims.", "torch_nn.")

REFUSED: dict[str, str] = {
    "aten.nonzero.default": "the shape of its result depends on the values",
    "aten.masked_select.default": "the shape of its result depends on the values",
    "aten._unique2.default": "the shape of its result depends on the values",
    "aten.unique_dim.default": "the shape of its result depends on the values",
    "aten.unique_consecutive.default": "the shape of its result depends on the values",
    "aten.repeat_interleave.Tensor": "the shape of its result depends on the values",
    "aten._local_scalar_dense.default": "it hands a value to Python",
    "aten.item.default": "it hands a value to Python",
    "aten.resize_.default": "it changes a shape in place",
    "aten.sym_is_contiguous.default": "layouts are not part of a program",
    "aten.bincount.default": "the shape of its result depends on the values",
    "aten._unique.default": "the shape of its result depends on the values",
    "aten.unique_dim_consecutive.default": "the shape of its result depends on the values",
    "aten.equal.default": "it hands a value to Python",
    "aten.allclose.default": "it hands a value to Python",
    "aten._ctc_loss.default": "torch gives its result no static shape",
    "aten._ctc_loss.Tensor": "torch gives its result no static shape",
    "aten.linalg_lstsq.default": "the shape of its result depends on the values",
    "aten.linalg_ldl_factor_ex.default": "the library has no Bunch-Kaufman factorisation",
    "aten.linalg_ldl_solve.default": "the library has no Bunch-Kaufman factorisation",
    "aten._sparse_mm_reduce_impl.default": "sparse layouts have no static shape",
}
"""Why, for operations that cannot be supported in a static graph."""

DROPOUT: dict[str, int] = {
    "aten.scaled_dot_product_attention.default": 4,
    "aten._scaled_dot_product_flash_attention_for_cpu.default": 3,
    "aten._scaled_dot_product_flash_attention_for_cpu_backward.default": 6,
}
"""Where attention takes `dropout_p`: its emitters keep every probability, so it must be 0."""

PIVOTING: dict[str, int] = {"aten.linalg_lu_factor_ex.default": 1}
"""Where a factorisation takes `pivot`, which must be True."""


STRIDED: dict[str, int] = {
    "aten.as_strided.default": 1,
    "aten.as_strided_copy.default": 1,
    "aten.as_strided_scatter.default": 2,
    "prims.as_strided_scatter.default": 2,
}
"""Where operations take the sizes of a walk through memory."""


def aten(*overloads: str) -> Callable[[EmitterT], EmitterT]:
    """Register the emitter of ATen overloads; without a dot, of the default one."""
    return _into(*(f"aten.{o}" if "." in o else f"aten.{o}.default" for o in overloads))


def expands(*overloads: str) -> Callable[[ExpansionT], ExpansionT]:
    """Register what ATen overloads are made of; without a dot, the default one.

    Of another namespace, as `prims.name`, it is the default one too.
    """

    def keep(function: ExpansionT) -> ExpansionT:
        for overload in overloads:
            full = overload if "." in overload else f"{overload}.default"
            other = full.startswith(OTHER_NAMESPACES)
            name = f"{full}.default" if other else f"aten.{full}"
            assert name not in EXPANSIONS, f"{name} is taken apart twice"
            EXPANSIONS[name] = function
        return function

    return keep


def prims(*names: str) -> Callable[[EmitterT], EmitterT]:
    """The same for torch's primitive operations."""
    return _into(*(f"prims.{name}.default" for name in names))


def higher_order(*names: str) -> Callable[[EmitterT], EmitterT]:
    """The same for higher-order operations, whose arguments hold graphs."""
    return _into(*names)


def custom(name: str) -> Callable[[EmitterT], EmitterT]:
    """Register a user's emitter under the overload's name."""

    def keep(emitter: EmitterT) -> EmitterT:
        CUSTOM[name] = emitter
        return emitter

    return keep


def name_of(target: Any) -> str:
    """The overload's full name, as "aten.add.Tensor"; of a function, "operator.add"."""
    text = str(target)
    return f"operator.{target.__name__}" if text.startswith("<") else text


def _into(*names: str) -> Callable[[EmitterT], EmitterT]:
    def keep(emitter: EmitterT) -> EmitterT:
        for name in names:
            assert name not in EMITTERS, f"{name} has two emitters"
            EMITTERS[name] = emitter
        return emitter

    return keep
