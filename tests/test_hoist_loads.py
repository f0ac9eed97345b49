"""Loads that several readers share: which move, which stay, and what they cost."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neuronc
from neuronc.isa.instructions import DmaCopy
from neuronc.isa.records import rows_of
from neuronc.isa.table import Engine


def compiled(fn, *shapes: tuple[int, ...]) -> neuronc.Compiled:
    return neuronc.compile(
        jax.jit(fn).lower(*(jax.ShapeDtypeStruct(s, jnp.float32) for s in shapes))
    )


def loads(made: neuronc.Compiled, buffer: int) -> int:
    """Transfers from one buffer of the only kernel."""
    (kernel,) = made.model.kernels
    stream = kernel.streams[Engine.DMA_IN]
    copies = np.flatnonzero(stream["opcode"] == DmaCopy.opcode)
    sources = rows_of(stream, DmaCopy, copies)["src"]
    return int((sources["buffer"] == buffer).sum())


def scaled(x, g):
    return (x * g).max(-1)


def test_what_does_not_move_with_the_rows_is_loaded_once():
    made = compiled(scaled, (4096, 512), (512,))
    assert loads(made, 1) == 1
    assert loads(made, 0) > 1


def test_equal_loads_of_one_block_are_one():
    def bias(x, w, b):
        return jnp.tanh(x @ w + b)

    # Four blocks of rows drain side by side, each adding the same columns of the bias.
    assert loads(compiled(bias, (512, 128), (128, 512), (512,)), 2) == 1


def test_a_load_too_large_to_keep_stays_in_the_loop():
    # 20000 columns of 4 bytes are more than an eighth of SBUF.
    assert loads(compiled(scaled, (256, 20000), (20000,)), 1) > 1


@pytest.mark.parametrize("rows", [1024, 200])
def test_shared_loads_change_no_bit_and_are_in_order(rows: int):
    random = np.random.default_rng(0)
    x, g = random.standard_normal((rows, 64), np.float32), random.standard_normal(64, np.float32)
    (ours,) = neuronc.load(compiled(scaled, x.shape, g.shape), check=True)(x, g)
    assert (ours == (x * g).max(-1)).all()
