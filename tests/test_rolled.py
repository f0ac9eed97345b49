"""Layers that are never converted: the same artifact as from the whole program, with less work."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_roll import Weights, arguments, forward, layer, lowered, scanned, step
from xdsl.dialects.func import FuncOp

import neuronc
from neuronc import pipeline
from neuronc.frontend.alike import likeness
from neuronc.frontend.convert import Importer, convert
from neuronc.frontend.load import load_module
from neuronc.passes.roll import is_layer
from neuronc.rolled import convert_rolled

Program = jax.stages.Lowered


def branched(weights: Weights, x: jax.Array) -> jax.Array:
    """Layers in both branches, which see what is outside of them."""
    y = jnp.tanh(x)
    other = [(v.T, w.T) for w, v in weights]
    return cast(
        jax.Array,
        jax.lax.cond(x[0, 0] > 0, lambda: forward(weights, y) + y, lambda: forward(other, y + x)),
    )


def looping(weights: Weights, x: jax.Array) -> jax.Array:
    """Layers with a loop in each."""
    for w, v in weights:
        x = cast(jax.Array, jax.lax.fori_loop(0, 2, lambda _, y, w=w, v=v: layer(y, w, v), x))
    return x


def pooled(weights: Weights, x: jax.Array) -> jax.Array:
    """Layers with regions, whose constants MLIR moves out of them."""
    for w, v in weights:
        y = jax.lax.reduce_window(layer(x, w, v), -jnp.inf, jax.lax.max, (1, 3), (1, 1), "SAME")
        x = y + jnp.argmax(x, axis=1, keepdims=True)
    return x


def masked(weights: Weights, x: jax.Array) -> jax.Array:
    """Layers that read iotas, views and an array of constants."""
    table = np.arange(x.size, dtype=np.float32).reshape(x.shape)
    for w, v in weights:
        mask = jnp.arange(x.shape[0])[:, None] >= jnp.arange(x.shape[1])[None]
        x = jnp.where(mask, layer(x, w, v), table).T.reshape(x.shape)
    return x


FUNCTIONS = (forward, step, scanned, branched, looping, pooled, masked)


def unrolled(program: Program, monkeypatch: pytest.MonkeyPatch, **options: object) -> bytes:
    """The artifact when the whole program is converted."""
    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "convert_rolled", convert)
        return bytes(neuronc.compile(program, **options))


@pytest.mark.parametrize("fn", FUNCTIONS, ids=lambda fn: fn.__name__)
def test_the_artifact_is_that_of_the_whole_program(
    fn: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    program = lowered(fn, 5)
    assert bytes(neuronc.compile(program)) == unrolled(program, monkeypatch)


@pytest.mark.parametrize("fn", FUNCTIONS, ids=lambda fn: fn.__name__)
def test_the_program_computes_what_jax_computes(fn: Callable[..., object]) -> None:
    """Also under the checks of every record; bounds as of a few sums of some 16 terms."""
    inputs = [np.asarray(leaf) for leaf in jax.tree.leaves(arguments(5))]
    ours = neuronc.load(neuronc.compile(lowered(fn, 5)), check=True)(*inputs)
    theirs = jax.tree.leaves(jax.jit(fn)(*arguments(5)))
    for got, wanted in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5 * np.abs(wanted).max())


@pytest.mark.parametrize("value", [None, 1.0], ids=["arrays", "splats"])
def test_weights_that_become_constants_are_read_as_ever(
    value: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is the same everywhere belongs to the ops that read it, and to what layers are."""
    program = lowered(forward, 5)
    names = load_names(program)
    pairs = zip(names[:-1], jax.tree.leaves(arguments(5)), strict=False)
    weights = {
        name: np.asarray(leaf) if value is None else np.broadcast_to(np.float32(value), leaf.shape)
        for name, leaf in pairs
    }
    once = bytes(neuronc.compile(program, weights=weights))
    assert once == unrolled(program, monkeypatch, weights=weights)


def load_names(program: Program) -> list[str]:
    return [info.name for info in neuronc.compile(program).model.inputs]


def test_no_more_is_converted_of_more_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    converted: list[str] = []
    operation = Importer.operation

    def counting(self: Importer, op, values):
        converted.append(op.name)
        return operation(self, op, values)

    monkeypatch.setattr(Importer, "operation", counting)
    counts: list[int] = []
    for layers in (6, 48):
        converted.clear()
        load_module(lowered(forward, layers), convert=convert_rolled)
        counts.append(len(converted))
    assert counts[0] == counts[1]


def test_a_program_without_layers_is_converted_whole() -> None:
    module = load_module(lowered(forward, 2), convert=convert_rolled)
    assert not any(is_layer(f) for f in module.body.block.ops if isinstance(f, FuncOp))
    assert str(module) == str(load_module(lowered(forward, 2)))


def test_operations_are_alike_whatever_they_read_and_not_whatever_they_do() -> None:
    text = """
    func.func @main(%a: tensor<4xf32>, %b: tensor<4xf32>) -> tensor<2xf32> {
      %0 = stablehlo.add %a, %b : tensor<4xf32>
      %1 = stablehlo.add %0, %0 : tensor<4xf32>
      %2 = stablehlo.multiply %0, %1 : tensor<4xf32>
      %3 = stablehlo.slice %2 [0:2] : (tensor<4xf32>) -> tensor<2xf32>
      %4 = stablehlo.slice %2 [1:3] : (tensor<4xf32>) -> tensor<2xf32>
      %5 = stablehlo.add %3, %4 : tensor<2xf32>
      return %5 : tensor<2xf32>
    }"""
    found: list[object] = []

    def keep(entry, locations):
        found.extend(likeness(op.operation) for op in entry.regions[0].blocks[0].operations)
        return convert(entry, locations)

    load_module(text, convert=keep)
    assert found[0] == found[1]
    assert len(set(found[:-1])) == 5
