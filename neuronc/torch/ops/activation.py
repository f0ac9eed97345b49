"""Activations, and two of their derivatives.

For the 16-bit floats they compute in float32, as torch's kernels do, and round once.
"""

from __future__ import annotations

from math import pi, sqrt

from neuronc.torch.building.values import Value
from neuronc.torch.scope import Scope
from neuronc.torch.table import aten


@aten("relu")
def relu(s: Scope, x: Value) -> Value:
    """max(x, 0)."""
    return s.b.maximum(x, s.b.like(0, x))


@aten("gelu")
def gelu(s: Scope, x: Value, approximate: str = "none") -> Value:
    """X times the normal distribution up to x, as `jax.nn.gelu` writes it."""
    b, y = s.b, s.wide(x)
    half = b.like(0.5, y)
    if approximate == "tanh":
        cube = b.multiply(b.multiply(y, y), y)
        inner = b.add(y, b.multiply(b.like(0.044715, y), cube))
        curve = b.unary("tanh", b.multiply(b.like(sqrt(2 / pi), y), inner))
    else:
        curve = b.erf(b.multiply(y, b.like(sqrt(0.5), y)))
    return s.narrow(b.multiply(b.multiply(half, y), b.add(b.like(1, y), curve)))


@aten("leaky_relu")
def leaky_relu(s: Scope, x: Value, negative_slope: float = 0.01) -> Value:
    """X, or a fraction of it below zero."""
    y = s.wide(x)
    positive = s.b.compare("GT", y, s.b.like(0, y))
    return s.narrow(s.b.select(positive, y, s.b.multiply(y, s.b.like(negative_slope, y))))


@aten("elu")
def elu(s: Scope, x: Value, alpha: float = 1, scale: float = 1, input_scale: float = 1) -> Value:
    """Scale times x, or alpha (exp(x input_scale) - 1) below zero."""
    b, y = s.b, s.wide(x)
    bent = b.unary("exponential_minus_one", b.multiply(y, b.like(input_scale, y)))
    positive = b.multiply(y, b.like(scale, y))
    negative = b.multiply(bent, b.like(alpha * scale, y))
    return s.narrow(b.select(b.compare("GT", y, b.like(0, y)), positive, negative))


@aten("softplus")
def softplus(s: Scope, x: Value, beta: float = 1, threshold: float = 20) -> Value:
    """log(1 + exp(beta x)) / beta; x itself where it is large."""
    b, y = s.b, s.wide(x)
    scaled = b.multiply(y, b.like(beta, y))
    soft = b.unary("log_plus_one", b.unary("exponential", scaled))
    large = b.compare("GT", scaled, b.like(threshold, y))
    return s.narrow(b.select(large, y, b.divide(soft, b.like(beta, y))))


@aten("sigmoid_backward")
def sigmoid_backward(s: Scope, grad: Value, y: Value) -> Value:
    """Grad y (1 - y)."""
    b, g, z = s.b, s.wide(grad), s.wide(y)
    return s.narrow(b.multiply(g, b.multiply(z, b.subtract(b.like(1, z), z))))


@aten("tanh_backward")
def tanh_backward(s: Scope, grad: Value, y: Value) -> Value:
    """Grad (1 - y^2)."""
    b, g, z = s.b, s.wide(grad), s.wide(y)
    return s.narrow(b.multiply(g, b.subtract(b.like(1, z), b.multiply(z, z))))
