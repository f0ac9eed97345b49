"""Results in the memory of donated arguments that their own kernel reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import neuronc
from neuronc.artifact.model import BufferKind

F32 = np.finfo(np.float32).eps
Arrays = tuple[np.ndarray, ...]


def arrays(count: int, *shape: int) -> Arrays:
    """Positive, so that the square roots of Adam are real."""
    random = np.random.default_rng(0)
    return tuple(random.random(shape, np.float32) + 0.5 for _ in range(count))


def sgd(p: Any, g: Any) -> Any:
    return p - 0.1 * g


def adam(p: Any, m: Any, v: Any, g: Any) -> Any:
    m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g * g
    return p - 0.1 * m / (jnp.sqrt(v) + 1e-3), m, v


def transposed_gradient(p: Any, g: Any) -> Any:
    return p - 0.1 * g.T


def with_bias(p: Any, g: Any) -> Any:
    return p * g[0] + g[:, :1]


def product(p: Any, g: Any) -> Any:
    return p - 0.1 * (g @ g)


def reshaped(p: Any, g: Any) -> Any:
    return (p.reshape(-1) - 0.1 * g.reshape(-1)).reshape(p.shape)


def loop(p: Any, g: Any) -> Any:
    return lax.fori_loop(0, 3, lambda _, p: jnp.tanh(p) - g, p)


def counted(p: Any, g: Any) -> Any:
    """The old value is handed out too, by a kernel that runs before."""
    return p - g, (p @ p).sum()


IN_PLACE: dict[str, tuple[Callable[..., Any], int, Arrays]] = {
    "sgd": (sgd, 1, arrays(2, 300, 700)),
    "adam": (adam, 3, arrays(4, 130, 1030)),
    "one dimension": (sgd, 1, arrays(2, 1000)),
    "four dimensions": (sgd, 1, arrays(2, 3, 5, 17, 9)),
    "transposed gradient": (transposed_gradient, 1, arrays(2, 256, 256)),
    "broadcast": (with_bias, 1, arrays(2, 140, 140)),
    "product": (product, 1, arrays(2, 256, 256)),
    "reshaped": (reshaped, 1, arrays(2, 96, 40)),
    "loop": (loop, 1, arrays(2, 64, 64)),
    "read before": (counted, 1, arrays(2, 64, 64)),
}


def reverse(p: Any, g: Any) -> Any:
    return p[::-1] - g


def turn(p: Any, g: Any) -> Any:
    return p.T - g


def shift(p: Any, g: Any) -> Any:
    return jnp.roll(p, 1, 0) + g


def swap(p: Any, q: Any) -> Any:
    return q + 1, p + 1


def normalised(p: Any, g: Any) -> Any:
    return p / p.sum() + g


def squared(p: Any, g: Any) -> Any:
    return p @ p + g


def old_and_new(p: Any, g: Any) -> Any:
    new = p - g
    return new, new.T @ p


ELSEWHERE: dict[str, tuple[Callable[..., Any], int, Arrays]] = {
    "reverse": (reverse, 1, arrays(2, 300, 130)),
    "turn": (turn, 1, arrays(2, 300, 300)),
    "shift": (shift, 1, arrays(2, 300, 130)),
    "swap": (swap, 2, arrays(2, 300, 130)),
    "squared": (squared, 1, arrays(2, 256, 256)),
    "old and new": (old_and_new, 1, arrays(2, 256, 256)),
}
"""An element is read after another was written in its place, or the old value is needed later."""


def run(fn: Callable[..., Any], donated: int, given: Arrays) -> tuple[Any, int, list[bool]]:
    """Run it proved and bound, against JAX: program, bytes copied, which donors are the results."""
    lowered = jax.jit(fn, donate_argnums=tuple(range(donated))).lower(*given)
    compiled = neuronc.compile(lowered)
    wanted = [np.asarray(x) for x in jax.tree.leaves(jax.jit(fn)(*given))]
    program = neuronc.load(compiled, check=True)
    bound = {i: given[i].copy() for i in range(donated)}
    program.bind(bound)
    found = program(*given[donated:])
    for mine, want in zip(found, wanted, strict=True):
        # Sums of up to 256 products, each below 1.5 x 1.5.
        np.testing.assert_allclose(mine, want, rtol=256 * F32, atol=256 * 1.5**2 * F32)
    return compiled.model, program.copied_bytes, [found[i] is bound[i] for i in range(donated)]


@pytest.mark.parametrize("name", IN_PLACE)
def test_a_result_takes_the_memory_of_what_it_is_made_of(name: str) -> None:
    fn, donated, given = IN_PLACE[name]
    model, copied, same = run(fn, donated, given)
    assert all(same)
    assert not any(b.kind is BufferKind.OUTPUT and b.index < donated for b in model.buffers)
    scalars = sum(4 for info in model.outputs[donated:] if not info.shape)
    assert copied == sum(a.nbytes for a in given[donated:]) + scalars


@pytest.mark.parametrize("name", ELSEWHERE)
def test_it_does_not_where_an_old_value_is_still_read(name: str) -> None:
    fn, donated, given = ELSEWHERE[name]
    model, _, same = run(fn, donated, given)
    assert all(same)
    assert any(b.kind is BufferKind.OUTPUT for b in model.buffers)


def test_a_sum_before_is_another_kernel() -> None:
    fn, given = normalised, arrays(2, 300, 130)
    run(fn, 1, given)


def test_a_loop_updates_its_variable_without_a_copy() -> None:
    fn, _, given = IN_PLACE["loop"]
    model = neuronc.compile(jax.jit(fn, donate_argnums=0).lower(*given)).model
    assert not any(k.name.startswith("copy_f32_4096") for k in model.kernels)
