"""A kernel's call reaches several blocks, [B, P, ...], as one call a block would."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from neuronc.isa import instructions as isa
from neuronc.isa.table import Instruction
from neuronc.numerics import FUNCTIONS
from neuronc.runtime.kernels import KERNELS

BF16 = ml_dtypes.bfloat16
BLOCKS, P, C = 3, 16, 96
BY_PLACE = (isa.MatMul, isa.Transpose, isa.Iota)
"""These give dimensions a meaning by their place, so that they take one block a call."""
BY_DATA = (isa.DmaGather, isa.DmaScatter, isa.Library)
"""Not bound by a kernel of the table."""
PER_BLOCK, COLUMN, ROW, SHARED = (P, C), (P, 1), (1, C), "shared"


def words(cls: type[Instruction], **given: Any) -> Instruction:
    """An instruction of words alone: the kernels take their views from elsewhere."""
    return cls(**{**dict.fromkeys((*cls.slots, *cls.words), 0), **given})


def code(name: str) -> int:
    return FUNCTIONS[name].code


CASES: dict[str, tuple[Instruction, dict[str, Any]]] = {
    "add": (words(isa.TensorTensor, function=code("add")), {"lhs": PER_BLOCK, "rhs": PER_BLOCK}),
    "add a row": (words(isa.TensorTensor, function=code("add")), {"lhs": PER_BLOCK, "rhs": ROW}),
    "compare": (words(isa.TensorTensor, function=code("lt")), {"lhs": PER_BLOCK, "rhs": COLUMN}),
    "scale by a number": (
        words(isa.TensorScalar, function0=code("multiply"), immediate0=0.5),
        {"src": PER_BLOCK},
    ),
    "relu": (
        words(isa.TensorScalar, function0=code("add"), function1=code("maximum")),
        {"src": PER_BLOCK, "scalar0": COLUMN},
    ),
    "scale, then add": (
        words(isa.ScalarTensorTensor, function0=code("multiply"), function1=code("add")),
        {"src": PER_BLOCK, "scalar": COLUMN, "tensor": PER_BLOCK},
    ),
    "row sums": (
        words(isa.TensorReduce, function=code("add"), axes=1),
        {"dst": COLUMN, "src": (P, 1, C)},
    ),
    "a few taps": (
        words(isa.TensorReduce, function=code("maximum"), axes=2),
        {"dst": (P, 32), "src": (P, 32, 3, 3)},
    ),
    "select": (
        words(isa.Select),
        {"predicate": PER_BLOCK, "on_true": PER_BLOCK, "on_false": PER_BLOCK},
    ),
    "select columns": (
        words(isa.Select),
        {"predicate": ROW, "on_true": PER_BLOCK, "on_false": COLUMN},
    ),
    "copy": (words(isa.Copy), {"src": PER_BLOCK}),
    "fill": (words(isa.Memset, value=2.0), {}),
    "gelu": (words(isa.Activation, function=code("gelu"), scale=1.0), {"src": PER_BLOCK}),
    "softmax": (
        words(isa.Activation, function=code("exponential"), scale=0.5),
        {"src": PER_BLOCK, "bias": COLUMN, "row_sum": COLUMN},
    ),
    "function": (words(isa.Elementwise, function=code("tanh")), {"src": PER_BLOCK}),
    "load": (words(isa.DmaCopy), {"src": PER_BLOCK}),
    "add to": (words(isa.DmaCopy, accumulate=code("add")), {"src": PER_BLOCK}),
}


def test_every_kernel_takes_blocks_or_says_that_it_does_not() -> None:
    assert {type(instr) for instr, _ in CASES.values()} == {*KERNELS} - {*BY_PLACE, *BY_DATA}


def room(seed: int, shape: tuple[int, ...], dtype: Any, shared: bool) -> np.ndarray:
    """Blocks [B, ...] with gaps between them and between their rows, or all the same one."""
    chance = np.random.default_rng(seed)
    size = (1 if shared else BLOCKS, shape[0] + 1, *shape[1:-1], shape[-1] + (shape[-1] > 1))
    values = chance.standard_normal(size).astype(dtype)
    inside = values[:, : shape[0], ..., : shape[-1]]
    return np.broadcast_to(inside, (BLOCKS, *shape)) if shared else inside


def operands(
    instr: Instruction, shapes: dict[str, Any], dtype: Any, shared: bool
) -> dict[str, np.ndarray]:
    """Blocks of each operand; what every block reads alike is there once if `shared`."""
    given = {"dst": PER_BLOCK, **shapes}
    views: dict[str, np.ndarray] = {}
    for seed, (name, shape) in enumerate(given.items()):
        alike = shared and name not in ("dst", "row_sum", "src", "on_true", "lhs")
        kind = np.bool_ if name == "predicate" else dtype
        blocks = room(seed, shape, kind, alike)
        views[name] = np.broadcast_to(blocks, (BLOCKS, P, *shape[1:])) if shape == ROW else blocks
    if isinstance(instr, isa.TensorTensor) and instr.function == code("lt"):
        views["dst"] = np.zeros(views["dst"].shape, np.bool_)
    return views


@pytest.mark.parametrize("dtype", [np.float32, BF16], ids=["f32", "bf16"])
@pytest.mark.parametrize("shared", [False, True], ids=["apart", "shared"])
@pytest.mark.parametrize("case", CASES)
def test_one_call_is_a_call_a_block(case: str, shared: bool, dtype: Any) -> None:
    instr, shapes = CASES[case]
    together = operands(instr, shapes, dtype, shared)
    apart = operands(instr, shapes, dtype, shared)
    kernel = KERNELS[type(instr)]
    with np.errstate(all="ignore"):
        kernel(instr, together)()
        for n in range(BLOCKS):
            kernel(instr, {name: view[n] for name, view in apart.items()})()
    for name, view in apart.items():
        assert together[name].tobytes() == view.tobytes()


IN_PLACE = [c for c, (_, s) in CASES.items() if s.get("src") == PER_BLOCK and c != "add to"]


@pytest.mark.parametrize("case", IN_PLACE)
def test_blocks_are_changed_in_place(case: str) -> None:
    instr, shapes = CASES[case]
    together = operands(instr, shapes, np.float32, shared=False)
    apart = operands(instr, shapes, np.float32, shared=False)
    kernel = KERNELS[type(instr)]
    with np.errstate(all="ignore"):
        kernel(instr, apart)()
        kernel(instr, {**together, "dst": together["src"]})()
    assert together["src"].tobytes() == apart["dst"].tobytes()


@pytest.mark.parametrize("over", ["on_true", "on_false"])
@pytest.mark.parametrize("case", ["select", "select columns"])
def test_a_choice_is_made_in_the_place_of_either(case: str, over: str) -> None:
    instr, shapes = CASES[case]
    apart = operands(instr, {**shapes, over: PER_BLOCK}, np.float32, shared=False)
    together = operands(instr, {**shapes, over: PER_BLOCK}, np.float32, shared=False)
    KERNELS[isa.Select](instr, apart)()
    KERNELS[isa.Select](instr, {**together, "dst": together[over]})()
    assert together[over].tobytes() == apart["dst"].tobytes()


@pytest.mark.parametrize("name", ["maximum", "minimum"])
@pytest.mark.parametrize("bound", [0.0, -1.5, np.inf, -np.inf, np.nan])
def test_a_bound_on_a_large_block_is_that_of_the_law(name: str, bound: float) -> None:
    instr = words(isa.TensorScalar, function0=code(name), immediate0=bound)
    src = np.random.default_rng(0).standard_normal((64, 128)).astype(np.float32)
    src[0, :5] = np.nan, np.inf, -np.inf, 0.0, -0.0
    dst = np.empty_like(src)
    KERNELS[isa.TensorScalar](instr, {"dst": dst, "src": src})()
    wanted = FUNCTIONS[name].evaluate(src, np.asarray(bound, np.float32))
    np.testing.assert_array_equal(dst, wanted)


@pytest.mark.parametrize("case", ["relu", "scale, then add", "gelu", "softmax"])
def test_rows_far_apart_are_made_as_those_that_follow_one_another(case: str) -> None:
    """By way of a room of the thread, to the same bits."""
    instr, shapes = CASES[case]
    chance = np.random.default_rng(7)
    views = {
        name: chance.standard_normal((64, 1 if shape == COLUMN else 96)).astype(np.float32)
        for name, shape in {"dst": PER_BLOCK, **shapes}.items()
    }
    apart = {**views, "dst": np.zeros((64, 512), np.float32)[:, :96]}
    KERNELS[type(instr)](instr, views)()
    together = {name: view.copy() for name, view in views.items()}
    KERNELS[type(instr)](instr, apart)()
    for name, view in apart.items():
        assert together[name].tobytes() == view.tobytes()
