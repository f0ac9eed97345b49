"""What stays on chip between operations, counted by hand for small programs."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import neuronc
from neuronc.residency import residency

X = np.ones((128, 512), np.float32)
BYTES = X.nbytes


def compiled(fn: Any, *args: Any) -> Any:
    return neuronc.compile(jax.jit(fn).lower(*args)).model


def test_what_one_kernel_hands_on_stays_on_chip() -> None:
    """Of three functions two hand a value on; what comes in and goes out does not count."""
    found = residency(compiled(lambda x: jnp.sin(jnp.tanh(jnp.exp(x))), X))
    assert (found.chip_bytes, found.stored_bytes, found.loaded_bytes) == (2 * BYTES, 0, 0)
    assert found.share == 1


def test_a_single_operation_hands_nothing_on() -> None:
    found = residency(compiled(jnp.tanh, X))
    assert (found.chip_bytes, found.stored_bytes, found.loaded_bytes) == (0, 0, 0)


def test_what_the_library_reads_goes_through_hbm() -> None:
    """A kernel stores what is sorted, the library reads it and stores it again for the last."""
    found = residency(compiled(lambda x: jnp.tanh(jnp.sort(jnp.tanh(x))), X))
    assert (found.chip_bytes, found.stored_bytes, found.loaded_bytes) == (0, 2 * BYTES, 2 * BYTES)
    assert found.share == 0


def test_a_product_goes_through_psum() -> None:
    """The sums in PSUM are handed to the function, and no weight is counted."""
    found = residency(compiled(lambda x, w: jnp.tanh(x @ w), X, np.ones((512, 512), np.float32)))
    assert (found.stored_bytes, found.loaded_bytes) == (0, 0)
    assert found.chip_bytes == BYTES


def test_a_loop_counts_as_one_iteration() -> None:
    def loop(x: Any) -> Any:
        return jax.lax.fori_loop(0, 7, lambda _, x: jnp.sin(jnp.tanh(x)), x)

    assert residency(compiled(loop, X)).chip_bytes == BYTES
