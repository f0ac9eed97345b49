"""A Llama block and its parts: few kernels, few bytes of HBM, numbers as exact as their types."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false
# Parts of jax are not annotated.

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neuronc

_RANDOM = np.random.default_rng(7)


def _normal(*shape: int, scale: float = 1.0) -> np.ndarray:
    return scale * _RANDOM.standard_normal(shape, np.float32)


def swiglu(x: jax.Array, gate: jax.Array, up: jax.Array, down: jax.Array) -> jax.Array:
    """(silu(x gate) * (x up)) down."""
    return (jax.nn.silu(x @ gate) * (x @ up)) @ down


@pytest.mark.parametrize("kind", ["float32", "bfloat16"])
def test_what_swiglu_multiplies_stays_on_chip(kind: str) -> None:
    """The second product reads the first in its epilogue, as the third wants their product."""
    shapes = [(256, 512), (512, 1408), (512, 1408), (1408, 512)]
    compiled = neuronc.compile(
        jax.jit(swiglu).lower(*(jax.ShapeDtypeStruct(s, jnp.dtype(kind)) for s in shapes))
    )
    assert len(compiled.model.kernels) == 1
    report = compiled.report
    once = sum(a * b for a, b in [*shapes, (256, 512)]) * jnp.dtype(kind).itemsize
    assert report.hbm_moved_bytes <= 1.01 * once
