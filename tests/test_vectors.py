"""Vectors between HBM and the partitions: the same elements, in rows where that pays."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Region, SSAValue

import neuronc
from neuronc.artifact.model import Kernel
from neuronc.backend.allocate import allocate
from neuronc.backend.emit import Sources, emit
from neuronc.backend.kernels import split
from neuronc.backend.select import Select
from neuronc.backend.synchronize import synchronize
from neuronc.dialects.tile import KernelOp
from neuronc.dialects.types import tensor
from neuronc.dtypes import BY_NAME
from neuronc.hardware import TRN2
from neuronc.isa.instructions import DmaCopy
from neuronc.isa.prices import run_bytes
from neuronc.isa.records import rows_of
from neuronc.isa.table import DMA_QUEUES
from neuronc.passes.builder import Builder
from neuronc.passes.operand import Ref
from neuronc.passes.vectors import load_vector, store_vector
from neuronc.runtime.accesses import Room
from neuronc.runtime.bind import bind_kernel
from neuronc.runtime.check import Checked, check_kernel
from neuronc.runtime.memory import Core
from neuronc.runtime.order import legal_order
from neuronc.runtime.workers import Team

P = TRN2.partitions


def made(size: int, step: int, fill: Callable[[Builder, Ref, SSAValue, SSAValue], None]) -> Kernel:
    """A kernel from x[size * step] to out[size], by way of a block of columns."""
    f32 = BY_NAME["f32"]
    body = Block(arg_types=[tensor((size * step,), f32), tensor((size,), f32)])
    kernel, b = KernelOp.create(regions=[Region(body)]), Builder(body)
    ref = b.alloc(P, -(-size // P), f32)
    fill(b, ref, body.args[0], body.args[1])
    Select().apply(Context(), ModuleOp([kernel]))
    allocate(kernel, TRN2)
    records = emit(kernel, Sources())
    synchronize(records)
    return Kernel("k", 2, split(records))


def run(kernel: Kernel, x: np.ndarray, size: int) -> np.ndarray:
    """Prove the kernel and run it."""
    rooms = tuple(Room(i, 0, 1 << 20) for i in range(2))
    check_kernel(Checked(kernel, legal_order(kernel.streams, "k"), (("", ""),), TRN2), rooms)
    out = np.zeros(size, np.float32)
    bound = bind_kernel(kernel, Core.of(TRN2)).at([x.view(np.uint8), out.view(np.uint8)], 1)
    bound.run(Team(1))
    return out


def runs(kernel: Kernel) -> list[int]:
    """Contiguous bytes of every transfer, which are one descriptor."""
    found: list[int] = []
    for engine in DMA_QUEUES:
        if engine in kernel.streams:
            stream = kernel.streams[engine]
            rows = rows_of(stream, DmaCopy, np.flatnonzero(stream["opcode"] == DmaCopy.opcode))
            found += np.minimum(run_bytes(rows["dst"]), run_bytes(rows["src"])).tolist()
    return found


@pytest.mark.parametrize("size", [8 * P, 9 * P + 5, (P + 1) * P + 1])
def test_a_vector_comes_and_goes_in_rows(size: int) -> None:
    """What is left over of the last column comes as single elements, and leaves as one run."""

    def both(b: Builder, ref: Ref, x: SSAValue, out: SSAValue) -> None:
        load_vector(b, TRN2, ref, (x, 0, 1), size)
        store_vector(b, ref, out, 0, size)

    kernel, x = made(size, 1, both), np.random.default_rng(0).standard_normal(size, np.float32)
    np.testing.assert_array_equal(run(kernel, x, size), x)
    rest = [4, 4 * (size % P)] if size % P else []
    assert sorted(n for n in runs(kernel) if n < 4 * P) == rest


@pytest.mark.parametrize(("size", "step"), [(8 * P, 3), (2 * P, 1)])
def test_elements_that_lie_apart_or_are_few_come_one_by_one(size: int, step: int) -> None:

    def both(b: Builder, ref: Ref, x: SSAValue, out: SSAValue) -> None:
        load_vector(b, TRN2, ref, (x, 0, step), size)
        store_vector(b, ref, out, 0, size)

    kernel = made(size, step, both)
    x = np.random.default_rng(0).standard_normal(size * step, np.float32)
    np.testing.assert_array_equal(run(kernel, x, size), x[::step])
    assert min(runs(kernel)) == 4


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize("columns", [768, 2304, 5003])
def test_a_product_of_one_row_leaves_in_rows(columns: int, dtype: jnp.dtype) -> None:
    """As in a decode step: with columns of weights as the stationary operand, the row is short."""

    def linear(x: jax.Array, w: jax.Array, b: jax.Array) -> jax.Array:
        return jax.nn.gelu(x @ w + b)

    chance = np.random.default_rng(0)
    shapes = (1, 256), (256, columns), (columns,)
    args = [jnp.asarray(chance.standard_normal(shape) / 16, dtype) for shape in shapes]
    compiled = neuronc.compile(jax.jit(linear).lower(*args))
    (kernel,) = compiled.model.kernels
    rest = columns % P
    short = [n for n in runs(kernel) if n < args[0].dtype.itemsize * (rest or P)]
    assert len(short) <= (rest > 0), "only what is left over of the bias comes one by one"
    (out,) = neuronc.load(compiled, check=True)(*map(np.asarray, args))
    expected = linear(*(jnp.asarray(a, jnp.float32) for a in args))
    # One rounding to the type of the result, and float32 sums of 256 products.
    eps = float(jnp.finfo(dtype).eps)
    np.testing.assert_allclose(np.asarray(out, np.float32), expected, rtol=2 * eps, atol=2 * eps)
