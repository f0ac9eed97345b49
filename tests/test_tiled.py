"""What is remembered of a kernel's tiles: the same while nothing changes, made anew after."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import pytest
from xdsl.dialects.builtin import StringAttr, UnitAttr
from xdsl.ir import Operation

import neuronc
from neuronc.dialects.program import KernelOp, YieldOp
from neuronc.hardware import TRN1, TRN2, Generation
from neuronc.passes import tiled
from neuronc.passes.lower_kernel import LOADS_STAY, lower_kernel
from neuronc.passes.tiled import Tiled
from neuronc.pipeline import Options, ignore, lower

X = jax.ShapeDtypeStruct((256, 64), jnp.float32)


@pytest.fixture
def kernel() -> KernelOp:
    """A kernel of one input and two results."""
    source = jax.jit(lambda x: (x + 1.0, jnp.tanh(x + 1.0))).lower(X)
    made, _ = lower(source, "tiled", Options(stop_after="fused"), ignore)
    return next(op for op in made.body.block.ops if isinstance(op, KernelOp))


def say_that_loads_stay(kernel: KernelOp) -> None:
    kernel.attributes[LOADS_STAY] = UnitAttr()


def swap_results(kernel: KernelOp) -> None:
    last = kernel.body.block.last_op
    assert isinstance(last, YieldOp)
    last.operands = list(reversed(last.operands))


def read_the_input(kernel: KernelOp) -> None:
    tanh(kernel).operands = [kernel.body.block.args[0]]


def say_another_line(kernel: KernelOp) -> None:
    tanh(kernel).attributes["loc"] = StringAttr("elsewhere.py:1")


def tanh(kernel: KernelOp) -> Operation:
    return next(op for op in kernel.walk() if op.name == "stablehlo.tanh")


def test_tiles_are_made_once_and_had_once(kernel: KernelOp) -> None:
    known = Tiled()
    made = known.of(kernel, TRN2)
    assert known.of(kernel, TRN2) is made
    assert known.take(kernel, TRN2) is made
    assert known.of(kernel, TRN2) is not made


def test_the_tiles_of_another_target_are_others(kernel: KernelOp) -> None:
    known = Tiled()
    assert known.of(kernel, TRN1) is not known.of(kernel, TRN2)


@pytest.mark.parametrize(
    "change", [say_that_loads_stay, swap_results, read_the_input, say_another_line]
)
def test_a_kernel_that_was_changed_is_tiled_anew(
    kernel: KernelOp, change: Callable[[KernelOp], None]
) -> None:
    known = Tiled()
    before = known.of(kernel, TRN2)
    change(kernel)
    after = known.of(kernel, TRN2)
    assert after is not before
    assert str(after) == str(lower_kernel(kernel, TRN2))


def test_a_compilation_tiles_no_kernel_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Operation] = []

    def counted(kernel: KernelOp, hw: Generation) -> Operation:
        seen.append(kernel)
        return lower_kernel(kernel, hw)

    monkeypatch.setattr(tiled, "lower_kernel", counted)
    neuronc.compile(jax.jit(lambda x: jnp.sort(jnp.tanh(x))).lower(X))
    assert len(seen) == len(set(seen)) == 2
