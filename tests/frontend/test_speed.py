"""Loading takes time in proportion to the program, and little of it."""

import time

import jax
import jax.numpy as jnp

from neuronc.frontend.load import load_module

LAYERS, SEQUENCE, WIDTH, HEADS = 12, 64, 128, 4
BOUND_S = 3.0
"""Measured: 0.08 s for 1,022 operations; the margin is for busy machines."""


def norm(x):
    return (x - x.mean(-1, keepdims=True)) * jax.lax.rsqrt(x.var(-1, keepdims=True) + 1e-5)


def split(x):
    return x.reshape(SEQUENCE, HEADS, -1).swapaxes(0, 1)


def layer(weights, x):
    q, k, v = (split(part) for part in jnp.split(norm(x) @ weights["qkv"], 3, -1))
    scores = jnp.where(jnp.tri(SEQUENCE, dtype=bool), q @ k.swapaxes(1, 2), -jnp.inf)
    mixed = (jax.nn.softmax(scores) @ v).swapaxes(0, 1).reshape(SEQUENCE, WIDTH)
    x = x + mixed @ weights["out"]
    return x + jax.nn.gelu(norm(x) @ weights["up"]) @ weights["down"]


def gpt(weights, embedding, tokens):
    x = embedding[tokens]
    for one in weights:
        x = layer(one, x)
    return norm(x) @ embedding.T


def shape(*extents):
    return jax.ShapeDtypeStruct(extents, jnp.float32)


def test_a_transformer_of_twelve_layers_loads_in_a_moment():
    shapes = {
        "qkv": shape(WIDTH, 3 * WIDTH),
        "out": shape(WIDTH, WIDTH),
        "up": shape(WIDTH, 4 * WIDTH),
        "down": shape(4 * WIDTH, WIDTH),
    }
    tokens = jax.ShapeDtypeStruct((SEQUENCE,), jnp.int32)
    lowered = jax.jit(gpt).lower([shapes] * LAYERS, shape(1000, WIDTH), tokens)
    start = time.perf_counter()
    module = load_module(lowered)
    assert time.perf_counter() - start < BOUND_S
    names = [op.name for op in module.walk()]
    assert names.count("stablehlo.dot_general") == 6 * LAYERS + 1
    assert "func.call" not in names
