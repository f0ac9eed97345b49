"""A block of tiles: an access waits for its tile alone, and one across an edge for both."""

from __future__ import annotations

import numpy as np
import pytest
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Region

from neuronc.artifact.model import Kernel
from neuronc.backend.allocate import allocate
from neuronc.backend.emit import Sources, emit
from neuronc.backend.kernels import split
from neuronc.backend.select import Select
from neuronc.backend.synchronize import synchronize
from neuronc.dialects.tile import KernelOp
from neuronc.dialects.types import tensor
from neuronc.dtypes import BY_NAME
from neuronc.errors import ExecutionError
from neuronc.hardware import TRN2
from neuronc.isa.table import ENGINES, Engine
from neuronc.passes.builder import Builder
from neuronc.passes.operand import hbm
from neuronc.runtime.accesses import Room
from neuronc.runtime.bind import bind_kernel
from neuronc.runtime.check import Checked, check_kernel
from neuronc.runtime.clocks import clocks_of
from neuronc.runtime.memory import Core
from neuronc.runtime.order import legal_order
from neuronc.runtime.workers import Team

F32 = BY_NAME["f32"]
BANK = TRN2.psum_bank_bytes // F32.bytes
P = TRN2.partitions
SCALAR = Engine.SCALAR
ROOMS = tuple(Room(i, 0, P * TRN2.psum_bank_bytes) for i in range(2))


def reading(first: int) -> Kernel:
    """out = exp(psum[:, first : first + BANK]), where psum is two tiles: x[:, :P].T @ x and 1."""
    body = Block(arg_types=[tensor((P, BANK), F32)] * 2)
    kernel, b = KernelOp.create(regions=[Region(body)]), Builder(body)
    rows, bank = ((BANK, P), (1, BANK)), ((1, BANK),)
    x, out = b.alloc(P, BANK, F32), b.alloc(P, BANK, F32)
    psum = b.alloc(P, 2 * BANK, F32, "psum", 2)
    b.dma(x.all(), hbm(body.args[0], 0, rows))
    b.fill(psum.at(BANK, bank), 1.0)
    b.matmul(psum.at(0, bank), x.at(0, ((1, P),)), x.all(), ())
    b.map("exponential", out.all(), psum.at(first, bank))
    b.dma(hbm(body.args[1], 0, rows), out.all())
    # The last use, so that nothing else lies where x does.
    b.fill(x.all(), 0.0)
    Select().apply(Context(), ModuleOp([kernel]))
    allocate(kernel, TRN2)
    emitted = emit(kernel, Sources())
    synchronize(emitted)
    return Kernel("k", 2, split(emitted))


def waits(made: Kernel) -> set[Engine]:
    """Which engines the reader waits for."""
    return {ENGINES[i] for i in np.flatnonzero(made.streams[SCALAR]["waits"][0])}


def check(made: Kernel) -> None:
    check_kernel(Checked(made, legal_order(made.streams, "k"), (("", ""),), TRN2), ROOMS)


@pytest.mark.parametrize(("first", "engine"), [(0, Engine.TENSOR), (BANK, Engine.VECTOR)])
def test_a_read_of_one_tile_waits_for_it_alone(first: int, engine: Engine) -> None:
    made = reading(first)
    assert waits(made) == {engine}
    check(made)


@pytest.mark.parametrize("first", [0, BANK // 2, BANK])
def test_the_waits_are_enough_and_none_is_in_vain(first: int) -> None:
    made = reading(first)
    check(made)
    for stream in made.streams.values():
        for row, other in zip(*np.nonzero(stream["waits"]), strict=True):
            stream["waits"][row, other] -= 1
            with pytest.raises(ExecutionError, match="no wait orders"):
                check(made)
            stream["waits"][row, other] += 1


def test_a_read_across_an_edge_follows_the_writes_of_both() -> None:
    streams = reading(BANK // 2).streams
    seen = clocks_of(streams, legal_order(streams, "k")).finished[SCALAR][0]
    assert seen[Engine.TENSOR] == seen[Engine.VECTOR] == 1


def test_a_read_across_an_edge_has_the_bytes_of_both() -> None:
    x = np.random.default_rng(0).standard_normal((P, BANK)).astype(np.float32) / 16
    out = np.zeros_like(x)
    made = bind_kernel(reading(BANK // 2), Core.of(TRN2))
    bound = made.at([x.reshape(-1).view(np.uint8), out.reshape(-1).view(np.uint8)], 1)
    bound.run(Team(1))
    product = x[:, :P].T.astype(np.float64) @ x
    expected = np.exp(np.hstack([product, np.ones_like(x)])[:, BANK // 2 :][:, :BANK])
    np.testing.assert_allclose(out, expected, rtol=1e-5)
