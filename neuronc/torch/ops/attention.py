"""Attention, written out as JAX writes it: scores, mask, softmax, values.

    softmax(q @ k.T * scale + mask) @ v

Heads of queries that share a head of keys are rows of one matrix product, never copies of keys.
The 16-bit floats compute in float32 from the scores to the probabilities.
"""

from __future__ import annotations

from math import sqrt

from neuronc.torch.build import Build
from neuronc.torch.building.values import Value, element_of, shape_of
from neuronc.torch.ops.norm import softmax_of
from neuronc.torch.scope import Scope, opmath
from neuronc.torch.table import aten


def scores_of(b: Build, q: Value, k: Value, scale: float | None) -> Value:
    """scores[..., H, L, S] of q[..., H, L, E] and k[..., G, S, E], H a multiple of G."""
    *lead, rows, width = shape_of(q)
    keys = shape_of(k)[-2]
    merged = _merged(b, q, k)
    batch = list(range(len(lead)))
    last = len(lead) + 1
    made = b.dot(merged, k, (batch, batch), ([last], [last]), opmath(element_of(q)))
    made = b.reshape(made, (*lead, rows, keys))
    factor = 1 / sqrt(width) if scale is None else scale
    return b.multiply(made, b.like(factor, made))


def _merged(b: Build, x: Value, k: Value) -> Value:
    """x[..., H, L, E] as [..., G, H/G L, E], one matrix for each head of k[..., G, S, E]."""
    lead = shape_of(k)[:-2]
    *heads, rows, width = shape_of(x)
    times = heads[-1] // lead[-1] if heads else 1
    return b.reshape(x, (*lead, times * rows, width))


def causal_mask(b: Build, shape: tuple[int, ...]) -> Value:
    """kept[..., i, j]: whether j <= i."""
    rank = len(shape)
    return b.compare("LE", b.iota(shape, rank - 1, "i32"), b.iota(shape, rank - 2, "i32"))


def probabilities_of(b: Build, scores: Value, mask: Value | None, causal: bool) -> Value:
    """The softmax of masked scores; rows without any key are 0."""
    low = b.like(float("-inf"), scores)
    if causal:
        scores = b.select(causal_mask(b, shape_of(scores)), scores, low)
    if mask is not None:
        over = b.broadcast(mask, shape_of(scores))
        if element_of(mask) == "i1":
            scores = b.select(over, scores, low)
        else:
            scores = b.add(scores, b.convert(over, element_of(scores)))
    return softmax_of(b, scores, len(shape_of(scores)) - 1, safe=mask is not None)


def values_of(b: Build, probabilities: Value, v: Value) -> Value:
    """mixed[..., H, L, E] of probabilities[..., H, L, S] and v[..., G, S, E]."""
    *lead, rows, _ = shape_of(probabilities)
    merged = _merged(b, b.convert(probabilities, element_of(v)), v)
    batch = list(range(len(lead)))
    last = len(lead)
    made = b.dot(merged, v, (batch, batch), ([last + 1], [last]), opmath(element_of(v)))
    return b.reshape(made, (*lead, rows, shape_of(v)[-1]))


def _batched(b: Build, x: Value, lead: tuple[int, ...]) -> Value:
    """X with the leading extents of the others."""
    return b.broadcast(x, (*lead, *shape_of(x)[-2:]))


@aten("scaled_dot_product_attention")
def attention(
    s: Scope,
    q: Value,
    k: Value,
    v: Value,
    attn_mask: Value | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Value:
    """The values of all keys, mixed by how well they match each query."""
    b = s.b
    if not enable_gqa and shape_of(q)[:-2] != shape_of(k)[:-2]:
        lead = s.out.shape[:-2]
        q, k, v = (_batched(b, x, lead) for x in (q, k, v))
    weights = probabilities_of(b, scores_of(b, q, k, scale), attn_mask, is_causal)
    return s.narrow(values_of(b, weights, v))


@aten("_scaled_dot_product_flash_attention_for_cpu")
def flash_attention(
    s: Scope,
    q: Value,
    k: Value,
    v: Value,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    attn_mask: Value | None = None,
    scale: float | None = None,
) -> list[Value]:
    """The same, with the logarithms of the sums that the gradient needs."""
    b, masked = s.b, scores_of(s.b, q, k, scale)
    low = b.like(float("-inf"), masked)
    if is_causal:
        masked = b.select(causal_mask(b, shape_of(masked)), masked, low)
    if attn_mask is not None:
        masked = b.add(
            masked, b.broadcast(b.convert(attn_mask, element_of(masked)), shape_of(masked))
        )
    last = len(shape_of(masked)) - 1
    top = b.fold("maximum", masked, float("-inf"), [last])
    moved = b.subtract(masked, b.broadcast_in_dim(top, shape_of(masked), range(last)))
    total = b.fold("add", b.unary("exponential", moved), 0, [last])
    logs = b.add(b.unary("log", total), top)
    weights = softmax_of(b, masked, last, safe=attn_mask is not None)
    return [s.narrow(values_of(b, weights, v)), s.narrow(logs, 1)]


@aten("_scaled_dot_product_flash_attention_for_cpu_backward")
def flash_attention_backward(
    s: Scope,
    grad: Value,
    q: Value,
    k: Value,
    v: Value,
    out: Value,
    logs: Value,
    dropout_p: float,
    is_causal: bool,
    attn_mask: Value | None = None,
    scale: float | None = None,
) -> list[Value]:
    """The gradients of q, k and v.

    With P the probabilities: dv = P.T g; dP = g v.T; dS = P (dP - sum(g out)); dq = dS k scale.
    """
    b, rank = s.b, len(shape_of(q))
    g, query, key, value, mixed = (s.wide(x) for x in (grad, q, k, v, out))
    factor = 1 / sqrt(shape_of(q)[-1]) if scale is None else scale
    scores = scores_of(b, query, key, scale)
    if is_causal:
        low = b.like(float("-inf"), scores)
        scores = b.select(causal_mask(b, shape_of(scores)), scores, low)
    if attn_mask is not None:
        scores = b.add(
            scores, b.broadcast(b.convert(attn_mask, element_of(scores)), shape_of(scores))
        )
    lines = b.broadcast_in_dim(
        b.convert(logs, element_of(scores)), shape_of(scores), range(rank - 1)
    )
    weights = b.unary("exponential", b.subtract(scores, lines))
    batch = list(range(rank - 2))

    def product(x: Value, y: Value, left: int, right: int) -> Value:
        return b.dot(x, y, (batch, batch), ([left], [right]))

    rows, columns = rank - 2, rank - 1
    dv = product(weights, g, rows, rows)
    dp = product(g, value, columns, columns)
    own = b.fold("add", b.multiply(g, mixed), 0, [columns])
    apart = b.subtract(dp, b.broadcast_in_dim(own, shape_of(dp), range(rank - 1)))
    ds = b.multiply(b.multiply(weights, apart), b.like(factor, apart))
    return [
        s.narrow(product(ds, key, columns, rows), 0),
        s.narrow(product(ds, query, rows, rows), 1),
        s.narrow(dv, 2),
    ]
