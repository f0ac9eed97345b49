"""Repeated layers are compiled once: forward, backward, in loops; and only if they are equal."""

# pyright: reportUnknownMemberType=false
# Parts of jax are not annotated.

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from xdsl.dialects.func import CallOp, FuncOp

import neuronc
from neuronc import api, pipeline
from neuronc.ir import parse_ir
from neuronc.passes.tiled import Tiled
from neuronc.pipeline import Stage
from neuronc.report import report_of

Weights = list[tuple[jax.Array, jax.Array]]
WIDTH, ROWS = 16, 8


def norm(x: jax.Array, epsilon: float) -> jax.Array:
    return x * jax.lax.rsqrt(jnp.mean(x * x, axis=-1, keepdims=True) + epsilon)


def layer(x: jax.Array, w: jax.Array, v: jax.Array, epsilon: float = 1e-5) -> jax.Array:
    return x + jnp.tanh(norm(x, epsilon) @ w) @ v


def forward(weights: Weights, x: jax.Array) -> jax.Array:
    for w, v in weights:
        x = layer(x, w, v)
    return x


def energy(weights: Weights, x: jax.Array) -> jax.Array:
    return jnp.sum(forward(weights, x) ** 2)


def step(weights: Weights, x: jax.Array) -> Weights:
    """One step down the gradient of the sum of squares."""
    gradients = cast(Weights, jax.grad(energy)(weights, x))
    return [(w - 0.1 * a, v - 0.1 * b) for (w, v), (a, b) in zip(weights, gradients, strict=True)]


def scanned(weights: Weights, x: jax.Array) -> jax.Array:
    """Every layer in each of three iterations."""

    def once(_: int, y: jax.Array) -> jax.Array:
        return forward(weights, y)

    return cast(jax.Array, jax.lax.fori_loop(0, 3, once, x))


def arguments(layers: int) -> tuple[Weights, jax.Array]:
    random = np.random.default_rng(0)

    def draw(rows: int) -> jax.Array:
        return jnp.asarray(random.normal(size=(rows, WIDTH)).astype(np.float32) / 4)

    return [(draw(WIDTH), draw(WIDTH)) for _ in range(layers)], draw(ROWS)


def lowered(
    fn: Callable[..., object], layers: int, donate: Sequence[int] = ()
) -> jax.stages.Lowered:
    return jax.jit(fn, donate_argnums=tuple(donate)).lower(*arguments(layers))


def rolled(program: jax.stages.Lowered) -> tuple[int, int]:
    """Functions that layers became, and calls of them."""
    module = parse_ir(api.opt(program, ["roll"], "trn2", "x"), "x")
    functions = [f for f in module.body.block.ops if isinstance(f, FuncOp)]
    return len(functions) - 1, sum(isinstance(op, CallOp) for op in module.walk())


@pytest.fixture
def unrolled(monkeypatch: pytest.MonkeyPatch) -> Callable[[jax.stages.Lowered], neuronc.Compiled]:
    """Compile as if no layer were ever found."""

    def compile_(program: jax.stages.Lowered) -> neuronc.Compiled:
        stages = pipeline.stages

        def flat(target: str, tiled: Tiled) -> tuple[Stage, ...]:
            return tuple(without_roll(stage) for stage in stages(target, tiled))

        with monkeypatch.context() as patch:
            patch.setattr(pipeline, "stages", flat)
            return neuronc.compile(program)

    return compile_


def without_roll(stage: Stage) -> Stage:
    return Stage(stage.name, tuple(p for p in stage.passes if p.name != "roll"), stage.leaves)


@pytest.mark.parametrize(
    ("fn", "functions", "calls"), [(forward, 1, 1), (step, 2, 2), (scanned, 1, 1)]
)
def test_layers_are_compiled_once_however_many(
    fn: Callable[..., object], functions: int, calls: int
) -> None:
    few, many = (rolled(lowered(fn, layers)) for layers in (12, 48))
    assert few[0] == many[0] == functions
    assert many[1] - few[1] == 36 * calls
    kernels = [len(neuronc.compile(lowered(fn, layers)).model.kernels) for layers in (12, 48)]
    assert kernels[0] == kernels[1]


@pytest.mark.parametrize("fn", [forward, step, scanned])
def test_rolling_changes_no_bit_and_costs_nothing(
    fn: Callable[..., object], unrolled: Callable[[jax.stages.Lowered], neuronc.Compiled]
) -> None:
    program = lowered(fn, 6)
    once, each = neuronc.compile(program), unrolled(program)
    inputs = [np.asarray(leaf) for leaf in jax.tree.leaves(arguments(6))]
    results = [neuronc.load(compiled)(*inputs) for compiled in (once, each)]
    assert [r.tobytes() for r in results[0]] == [r.tobytes() for r in results[1]]
    ours, theirs = report_of(once.model), report_of(each.model)
    # Which call a layer's first and last ops join may differ, and with it what overlaps.
    assert ours.hbm_moved_bytes <= 1.02 * theirs.hbm_moved_bytes
    assert ours.seconds <= 1.05 * theirs.seconds


def test_a_layer_with_another_epsilon_is_another_layer() -> None:
    def mixed(weights: Weights, x: jax.Array) -> jax.Array:
        for i, (w, v) in enumerate(weights):
            x = layer(x, w, v, 1e-5 if i < 6 else 1e-6)
        return x

    assert rolled(lowered(mixed, 12)) == (2, 12)
    assert rolled(lowered(forward, 12)) == (1, 12)


def test_a_layer_that_reads_one_value_twice_is_not_one_that_reads_two() -> None:
    def tied(weights: Weights, x: jax.Array) -> jax.Array:
        for i, (w, v) in enumerate(weights):
            x = layer(x, w, w if i % 2 else v)
        return x

    assert rolled(lowered(tied, 8))[0] == 1, "two layers, one of each kind, are one function"
    assert rolled(lowered(tied, 8))[1] == 4


def test_donation_is_of_arguments_and_not_of_layers() -> None:
    """Equal layers share a function whether their weights may be overwritten or not."""
    kept, donated = lowered(step, 6), lowered(step, 6, donate=(0,))
    assert rolled(kept) == rolled(donated)
    assert bytes(neuronc.compile(kept)) != bytes(neuronc.compile(donated))


def test_rolling_is_deterministic() -> None:
    text = str(lowered(step, 6).compiler_ir("stablehlo"))
    assert bytes(neuronc.compile(text)) == bytes(neuronc.compile(text))


def test_the_lines_of_the_first_layer_stand_for_all() -> None:
    """Records say where in the layer's code they come from."""
    places = {line for line, _ in neuronc.compile(lowered(forward, 6)).model.sources if line}
    bodies = [f.__code__.co_firstlineno + 1 for f in (norm, layer)]
    assert places == {f"{__file__}:{line}" for line in bodies}
