"""GPT-2 with its layers in a scan, as large models are written: compiled as one layer."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import gpt2
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neuronc

CONFIG = gpt2.CONFIGS["tiny"]
Weights = dict[str, jax.Array]


def stacked(layers: int) -> tuple[Weights, Weights, jax.Array]:
    """The weights of all layers [layers, ...] by the name of one, the others, and tokens."""
    config = gpt2.Config(layers, CONFIG.width, CONFIG.heads, CONFIG.vocab, CONFIG.context)
    weights = gpt2.make_weights(config, gpt2.Source(0, jnp.float32))
    names = [n.removeprefix("h.0.") for n in weights if n.startswith("h.0.")]
    blocks = {
        f"h.0.{n}": jnp.stack([jnp.asarray(weights[f"h.{i}.{n}"]) for i in range(layers)])
        for n in names
    }
    rest = {n: jnp.asarray(w) for n, w in weights.items() if not n.startswith("h.")}
    tokens = np.random.default_rng(1).integers(0, CONFIG.vocab, (1, 16), np.int32)
    return blocks, rest, jnp.asarray(tokens)


def prefill(blocks: Weights, rest: Weights, tokens: jax.Array) -> jax.Array:
    """Logits, by one layer of GPT-2 scanned over the weights of all."""
    one = gpt2.Config(1, CONFIG.width, CONFIG.heads, CONFIG.vocab, CONFIG.context)
    same = {"ln_f.weight": jnp.ones(CONFIG.width), "ln_f.bias": jnp.zeros(CONFIG.width)}

    def layer(x: jax.Array, weights: Weights) -> tuple[jax.Array, None]:
        return gpt2.transformer(one, {**weights, **same}, x, jnp.arange(x.shape[1]), None)[0], None

    x = rest["wte.weight"][tokens] + rest["wpe.weight"][: tokens.shape[1]]
    x, _ = jax.lax.scan(layer, x, blocks)
    return gpt2.unembed(rest, gpt2.layer_norm(rest, "ln_f", x))


def gradients(blocks: Weights, rest: Weights, tokens: jax.Array) -> Weights:
    """Of the mean square of the logits, by the weights of all layers."""
    return jax.grad(lambda w: jnp.mean(prefill(w, rest, tokens) ** 2))(blocks)


@cache
def compiled(fn: Callable[..., object], layers: int) -> neuronc.Compiled:
    return neuronc.compile(jax.jit(fn).lower(*stacked(layers)))


@pytest.mark.parametrize("fn", [prefill, gradients])
def test_a_scanned_layer_is_compiled_once(fn: Callable[..., object]) -> None:
    few, many = (compiled(fn, layers).model.kernels for layers in (6, 24))
    assert [kernel.name for kernel in few] == [kernel.name for kernel in many]
    records = [sum(len(s) for k in kernels for s in k.streams.values()) for kernels in (few, many)]
    # Gradients of all layers are cleared and stacked in longer runs; of a layer there is one.
    assert records[1] <= 1.1 * records[0]


@pytest.mark.parametrize("fn", [prefill, gradients])
def test_it_computes_what_jax_computes(fn: Callable[..., object]) -> None:
    """Bounds as of sums of 256 terms in float32, through six layers."""
    arguments = stacked(6)
    program = neuronc.load(compiled(fn, 6))
    ours = program(*(np.asarray(leaf) for leaf in jax.tree.leaves(arguments)))
    for got, wanted in zip(ours, jax.tree.leaves(jax.jit(fn)(*arguments)), strict=True):
        largest = float(np.abs(wanted).max())
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-4 * largest)
