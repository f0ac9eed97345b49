"""What torch does in one kernel of its own, and gives no decomposition for."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from neuronc.torch.backend import neuronc  # noqa: E402
from neuronc.torch.composites import composites  # noqa: E402
from tests.torch_bounds import FLOAT32  # noqa: E402


@pytest.fixture(autouse=True)
def fresh() -> None:
    torch._dynamo.reset()
    torch.manual_seed(0)


def compiled(function: Any) -> Any:
    return torch.compile(function, backend=neuronc, fullgraph=True)


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_an_encoder_in_eval_mode(norm_first: bool, activation: str) -> None:
    layer = nn.TransformerEncoderLayer(
        16, 4, 32, activation=activation, norm_first=norm_first, batch_first=True
    )
    model = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).eval()
    x, padding = torch.randn(2, 5, 16), torch.tensor([[0, 0, 0, 1, 1], [0] * 5]).bool()
    causal = torch.ones(5, 5, dtype=torch.bool).triu(1)
    with torch.no_grad():
        for kwargs in ({}, {"mask": causal}, {"src_key_padding_mask": padding}):
            torch.testing.assert_close(compiled(model)(x, **kwargs), model(x, **kwargs), **FLOAT32)


@pytest.mark.parametrize("weights", [False, True])
def test_attention_in_eval_mode(weights: bool) -> None:
    model = nn.MultiheadAttention(16, 4, batch_first=True).eval()
    x, y = torch.randn(2, 5, 16), torch.randn(2, 7, 16)
    with torch.no_grad():
        for args in ((x, x, x), (x, y, y)):
            found = compiled(model)(*args, need_weights=weights)
            wanted = model(*args, need_weights=weights)
            torch.testing.assert_close(found[0], wanted[0], **FLOAT32)
            if weights:
                torch.testing.assert_close(found[1], wanted[1], **FLOAT32)


def test_weight_norm_trains() -> None:
    model = nn.utils.parametrizations.weight_norm(nn.Linear(8, 4))
    reference, x = copy.deepcopy(model), torch.randn(3, 8)
    compiled(model)(x).sum().backward()
    reference(x).sum().backward()
    for mine, theirs in zip(model.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad, **FLOAT32)


FOREACH = [op for op in composites() if "_foreach" in str(op) and "mm" not in str(op)]


@pytest.mark.parametrize("op", FOREACH, ids=str)
def test_lists_of_tensors(op: Any) -> None:
    """Each is judged by torch's own kernel, on numbers where every function is real."""
    args: list[Any] = []
    for argument in op._schema.arguments:
        kind = str(argument.type)
        if argument.has_default_value():
            break
        if kind == "List[Tensor]":
            args.append([torch.rand(3) * 0.9 + 0.05, torch.rand(2, 2) * 0.9 + 0.05])
        elif kind.startswith("List["):
            args.append([2.0, 3.0])
        elif kind == "Tensor":
            args.append(torch.tensor([2.0, 3.0] if argument.name == "scalars" else 2.0))
        else:
            args.append(2.0)
    for mine, theirs in zip(composites()[op](*args), op(*args), strict=True):
        torch.testing.assert_close(mine, theirs)


def test_a_foreach_step_is_compiled() -> None:
    def step(p: Any, q: Any) -> Any:
        return torch._foreach_addcmul([p, q], [q, p], [p, q], [0.5, 2.0])

    p, q = torch.randn(4), torch.randn(4)
    for mine, theirs in zip(compiled(step)(p, q), step(p, q), strict=True):
        torch.testing.assert_close(mine, theirs, **FLOAT32)


DERIVATIVES: dict[str, Callable[[Any], Any]] = {
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "gelu": nn.functional.gelu,
    "silu": nn.functional.silu,
    "elu": nn.functional.elu,
    "softplus": nn.functional.softplus,
    "hardswish": nn.functional.hardswish,
    "leaky_relu": nn.functional.leaky_relu,
}


@pytest.mark.parametrize("name", DERIVATIVES)
def test_a_jacobian_broadcasts_what_a_derivative_reads(name: str) -> None:
    function = DERIVATIVES[name]

    def jacobian(x: Any) -> Any:
        return torch.func.jacrev(lambda y: function(y))(x)

    x = torch.randn(4)
    torch.testing.assert_close(compiled(jacobian)(x), jacobian(x), **FLOAT32)
