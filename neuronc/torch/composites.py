"""What torch has one kernel for and no decomposition, spelt out in operations that it does have.

They come from fast paths of modules in eval mode (`_native_multi_head_attention`,
`_transformer_encoder_layer_fwd`), from lists of tensors (`_foreach_add` and its like), and from
training with `weight_norm`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional

aten = torch.ops.aten
Composite = Callable[..., Any]
FOREACH = "aten::_foreach_"
OTHER_NAMES: dict[str, Callable[..., Tensor]] = {
    "clamp_max": torch.clamp_max,
    "clamp_min": torch.clamp_min,
    "max": torch.amax,
    "maximum": torch.clamp_min,
    "minimum": torch.clamp_max,
    "norm": cast(Any, torch.linalg).vector_norm,
    "zero": torch.zeros_like,
}
"""What `_foreach_norm` and others do to each tensor, where it is no function of that name."""


def composites() -> dict[Any, Composite]:
    """By operation, the function that says what it does."""
    return {
        aten._native_multi_head_attention.default: attention,
        aten._transformer_encoder_layer_fwd.default: encoder_layer,
        aten._weight_norm_interface_backward.default: weight_norm_backward,
        **dict(_foreach()),
    }


def attention(
    q: Tensor, k: Tensor, v: Tensor, width: int, heads: int, w: Tensor, b: Tensor,
    out_w: Tensor, out_b: Tensor, mask: Tensor | None = None, need_weights: bool = True,
    average: bool = True, mask_type: int | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """q[N, L, E], k, v[N, S, E] attended and projected, and the weights if they are needed."""
    parts = zip((q, k, v), w.chunk(3), b.chunk(3), strict=True)
    q, k, v = (_heads(functional.linear(x, wx, bx), heads) for x, wx, bx in parts)
    scores = (q / math.sqrt(width // heads)) @ k.transpose(-2, -1)
    if mask is not None:
        scores = scores.masked_fill(_mask(mask, mask_type), -math.inf)
    weights = scores.softmax(-1)
    mixed = (weights @ v).transpose(1, 2).flatten(2)
    given = weights.mean(1) if average else weights
    return functional.linear(mixed, out_w, out_b), given if need_weights else q.new_empty(0)


def _heads(x: Tensor, heads: int) -> Tensor:
    """x[N, L, E] as [N, H, L, E / H]."""
    return cast(Any, x).unflatten(-1, (heads, -1)).transpose(1, 2)


def _mask(mask: Tensor, kind: int | None) -> Tensor:
    """True where nothing is seen; kind 0 is for pairs [L, S], 1 for keys [N, S], 2 for all."""
    hidden = mask != 0
    if kind == 1:
        return hidden[:, None, None, :]
    return hidden[None, None] if kind == 0 else hidden


def encoder_layer(
    x: Tensor, width: int, heads: int, w: Tensor, b: Tensor, out_w: Tensor, out_b: Tensor,
    use_gelu: bool, norm_first: bool, eps: float, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor,
    up_w: Tensor, up_b: Tensor, down_w: Tensor, down_b: Tensor, mask: Tensor | None = None,
    mask_type: int | None = None,
) -> Tensor:  # fmt: skip
    """One layer of `nn.TransformerEncoder` over x[N, L, E]."""

    def first(y: Tensor) -> Tensor:
        return functional.layer_norm(y, (width,), w1, b1, eps)

    def second(y: Tensor) -> Tensor:
        return functional.layer_norm(y, (width,), w2, b2, eps)

    def attend(y: Tensor) -> Tensor:
        arguments = (width, heads, w, b, out_w, out_b, mask, False, True, mask_type)
        return attention(y, y, y, *arguments)[0]

    def feed(y: Tensor) -> Tensor:
        inner = functional.linear(y, up_w, up_b)
        inner = functional.gelu(inner) if use_gelu else functional.relu(inner)
        return functional.linear(inner, down_w, down_b)

    if norm_first:
        x = x + attend(first(x))
        return x + feed(second(x))
    x = first(x + attend(x))
    return second(x + feed(x))


def weight_norm_backward(
    grad: Tensor, v: Tensor, g: Tensor, norms: Tensor, dim: int
) -> tuple[Tensor, Tensor]:
    """Of w = v * g / |v|, with the norm over all dimensions but `dim`."""
    others = [d for d in range(v.dim()) if d != dim % v.dim()]
    norms = norms.to(g.dtype)
    dot = (grad * v).sum(others, keepdim=True)
    grad_v = g / norms * (grad - v * (dot / (norms * norms)))
    return grad_v, dot / norms


def _foreach() -> Iterator[tuple[Any, Composite]]:
    """Each `_foreach` operation that returns new tensors, as one call for each of the list."""
    names: list[str] = vars(torch)["_C"]._dispatch_get_all_op_names()
    for name in sorted(n for n in names if n.startswith(FOREACH)):
        base, _, overload = name.removeprefix("aten::").partition(".")
        single = base.removeprefix("_foreach_")
        function = OTHER_NAMES.get(single) or getattr(torch, single, None)
        if not base.endswith("_") and overload.split("_")[-1] != "out" and function is not None:
            op = getattr(getattr(aten, base), overload or "default")
            yield op, _each(op, function)


def _each(op: Any, function: Callable[..., Tensor]) -> Composite:
    arguments = op._schema.arguments
    names = [a.name for a in arguments]
    lists = {a.name for a in arguments if str(a.type).startswith("List[")}
    keywords = {"value", "alpha", "weight", "ord", "dtype"} & set(names)

    def run(*args: Any, **kwargs: Any) -> list[Tensor]:
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        if isinstance(given.get("scalars"), Tensor):
            given["scalars"] = given["scalars"].unbind()
            lists.add("scalars")
        count = len(next(given[name] for name in names if name in lists))
        rows = [{k: v[i] if k in lists else v for k, v in given.items()} for i in range(count)]
        return [
            function(
                *(v for k, v in row.items() if k not in keywords and not _is_factor(k, names)),
                **{k: row[k] for k in keywords if k in row and row[k] is not None},
                **({"value": row["scalars"]} if _is_factor("scalars", names) else {}),
            )
            for row in rows
        ]

    return run


def _is_factor(name: str, names: list[str]) -> bool:
    """A scalar of a list is the other operand of two, and the factor of addcmul and addcdiv."""
    return name == "scalars" and name in names and len(names) > 2
