"""`torch.compile` the way people use it: optimisers, autocast, views, nested results, modes."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402
from torch.utils.checkpoint import checkpoint  # noqa: E402

from neuronc.torch.backend import neuronc  # noqa: E402
from tests.torch_bounds import FLOAT32  # noqa: E402


@pytest.fixture(autouse=True)
def fresh() -> None:
    torch._dynamo.reset()
    torch.manual_seed(0)


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(32, 16)
        self.qkv, self.norm = nn.Linear(16, 48), nn.LayerNorm(16)
        self.drop = nn.Dropout(0.25)

    def forward(self, ids: Any) -> Any:
        x = self.table(ids)
        q, k, v = (t.unflatten(-1, (2, 8)).transpose(1, 2) for t in self.qkv(x).chunk(3, -1))
        y = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.norm(x + self.drop(y.transpose(1, 2).flatten(2)))


class Norms(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3, stride=2, bias=False), nn.BatchNorm2d(4)
        self.up = nn.ConvTranspose2d(4, 2, 2, stride=2)

    def forward(self, x: Any) -> Any:
        return self.up(torch.relu(self.norm(self.conv(x))))


MODELS = {
    "attention": (Attention, lambda: torch.randint(0, 32, (2, 6))),
    "norms": (Norms, lambda: torch.randn(2, 3, 9, 9)),
}
OPTIMISERS = {
    "sgd": lambda p: torch.optim.SGD(p, 0.05, weight_decay=0.01, nesterov=True, momentum=0.9),
    "adam": lambda p: torch.optim.Adam(p, 0.01, eps=1e-4),
    "adamw": lambda p: torch.optim.AdamW(p, 0.01, amsgrad=True, eps=1e-4),
}
"""Adam's with a large epsilon: where a gradient is a rounding, g / |g| says nothing."""


STEPS, HALF_ULP = 3, 2.0**-24
FACTOR = 4
"""An error is a sum of roundings carried through the same derivatives. Programs that round as often
err alike, and the largest of several errors differ by less than 2; another 2 is for functions whose
last bit is not libm's."""


def trained(model: Any, optimiser: str, batch: Callable[[], Any], backend: Any) -> dict[str, Any]:
    """What a few steps make of a model; forward, backward and step are each on a backend."""
    torch._dynamo.reset()
    owner = OPTIMISERS[optimiser](model.parameters())
    call = torch.compile(model, backend=backend, fullgraph=True)
    step = torch.compile(owner.step, backend=backend)
    dtype = next(model.parameters()).dtype
    for seed in range(STEPS):
        torch.manual_seed(seed)
        x = batch()
        torch.manual_seed(100 + seed)
        call(x.to(dtype) if x.is_floating_point() else x).square().mean().backward()
        step()
        owner.zero_grad()
    return model.state_dict()


@pytest.mark.parametrize("model_name", MODELS)
@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_compiled_optimisers_train_as_near_to_float64_as_eager(
    model_name: str, optimiser: str
) -> None:
    """Beside the kernels of eager in the same graphs: Dynamo computes Adam's 1 - beta**t in
    float32, so that eager without it would be nearer."""
    kind, batch = MODELS[model_name]
    model = kind()
    exact = trained(copy.deepcopy(model).double(), optimiser, batch, "aot_eager")
    eager = trained(copy.deepcopy(model), optimiser, batch, "aot_eager")
    for key, value in trained(model, optimiser, batch, neuronc).items():
        allowed = FACTOR * (eager[key] - exact[key]).abs().max()
        rounded = STEPS * HALF_ULP * exact[key].abs().max()
        assert (value - exact[key]).abs().max() <= allowed + rounded, key


def dropped(x: Any) -> Any:
    """Two draws of dropout, and one of numbers."""
    y = functional.dropout(functional.gelu(functional.dropout(x, 0.25) @ x.mT), 0.5)
    return y * torch.rand_like(x[:, :4])


@pytest.mark.parametrize("dynamic", [None, True], ids=["static", "dynamic"])
def test_a_checkpointed_region_drops_the_same_twice(dynamic: bool | None) -> None:
    """Eager's own masks, forward and backward, and its generator afterwards."""

    def model(x: Any) -> Any:
        inner = checkpoint(dropped, x, use_reentrant=False)
        return checkpoint(dropped, inner, use_reentrant=False) + functional.dropout(x, 0.1)

    run = torch.compile(model, backend=neuronc, dynamic=dynamic)
    for _ in range(2):
        x = torch.randn(4, 4)
        grads, following = [], []
        for one in (run, model):
            given = x.clone().requires_grad_()
            torch.manual_seed(7)
            one(given).square().sum().backward()
            grads.append(given.grad)
            following.append(torch.rand(()))
        torch.testing.assert_close(*grads, **FLOAT32)
        assert following[0] == following[1]


def test_permuted_tensors_draw_in_the_order_of_memory() -> None:
    def model(x: Any) -> Any:
        return torch.rand_like(x.t()), functional.dropout(x.t(), 0.5)

    x, run = torch.randn(3, 5), torch.compile(model, backend=neuronc)
    torch.manual_seed(0)
    found = run(x)
    torch.manual_seed(0)
    torch.testing.assert_close(found, model(x))


def test_a_parameter_is_updated_where_it_lies() -> None:
    def update(p: Any, g: Any, rate: float) -> None:
        p.sub_(rate * g)

    programs: list[Any] = []
    run = torch.compile(update, backend=neuronc, options={"observe": programs.append})
    p, g = torch.randn(512, 1024), torch.randn(512, 1024)
    for _ in range(2):
        wanted, address = p - 0.5 * g, p.data_ptr()
        run(p, g, 0.5)
        torch.testing.assert_close(p, wanted)
        assert p.data_ptr() == address
        assert programs[0].copied_bytes == 0


def test_autocast_computes_in_bfloat16() -> None:
    model = nn.Sequential(nn.Linear(16, 32), nn.GELU(), nn.Linear(32, 4))
    run = torch.compile(model, backend=neuronc)
    x = torch.randn(8, 16)
    with torch.autocast("cpu", torch.bfloat16):
        found, wanted = run(x), model(x)
    assert found.dtype is torch.bfloat16
    # Two layers, each rounded to 8 bits.
    torch.testing.assert_close(found, wanted, rtol=2**-6, atol=2**-7)


def nested(x: Any, *, more: dict[str, Any], scale: float = 2.0) -> Any:
    return {"sum": x + more["y"], "pair": (x * scale, [more["z"][0] - x])}


def in_place(x: Any) -> Any:
    y = x.clone()
    y[1:3].mul_(2)
    y.t()[0] = 7
    y.view(-1)[::2] += 1
    return y


def integers(x: Any, n: int) -> Any:
    i = (x * 10).long()
    return i // 3, i % n, i.clamp(0, n), (i == 2).sum(), i.argmax(-1)


def symbols(x: Any, n: int) -> Any:
    return x[:n] * n, x.new_zeros(n), torch.arange(n)


def no_grad(x: Any) -> Any:
    with torch.no_grad():
        scale = x.abs().max()
    return x / scale


HABITS: dict[str, tuple[Callable[..., Any], Callable[[], tuple[Any, ...]]]] = {
    "nested": (nested, lambda: (torch.randn(4, 4),)),
    "in place": (in_place, lambda: (torch.randn(4, 4),)),
    "integers": (integers, lambda: (torch.randn(4, 4), 3)),
    "symbols": (symbols, lambda: (torch.randn(6, 4), 3)),
    "no grad": (no_grad, lambda: (torch.randn(4, 4, requires_grad=True),)),
}


@pytest.mark.parametrize("name", HABITS)
@pytest.mark.parametrize(
    "how",
    [{}, {"fullgraph": True}, {"dynamic": True}, {"mode": "default"}],
    ids=lambda how: "".join(how) or "plain",
)
def test_what_people_write(name: str, how: dict[str, Any]) -> None:
    function, given = HABITS[name]
    run = torch.compile(function, backend=neuronc, **how)
    for _ in range(2):
        args = given()
        kwargs = {"more": {"y": torch.ones(4, 4), "z": [args[0] * 3]}} if name == "nested" else {}
        torch.testing.assert_close(run(*args, **kwargs), function(*args, **kwargs), **FLOAT32)


def test_numbers_that_change_are_not_compiled_for_ever() -> None:
    programs: list[Any] = []
    run = torch.compile(symbols, backend=neuronc, options={"observe": programs.append})
    x = torch.randn(6, 4)
    for n in (2, 3, 4, 3, 2):
        torch.testing.assert_close(run(x, n), symbols(x, n))
    assert len(programs) <= 4


def test_gradients_of_an_embedding_are_shared_by_frequency() -> None:
    table = nn.Embedding(10, 4, padding_idx=0, scale_grad_by_freq=True)
    reference, ids = copy.deepcopy(table), torch.tensor([[1, 2, 0], [2, 2, 3]])
    for one in (torch.compile(table, backend=neuronc), reference):
        one(ids).square().sum().backward()
    torch.testing.assert_close(table.weight.grad, reference.weight.grad, **FLOAT32)


class Normed(nn.Sequential):
    """A layer with weights, and one with running means."""

    def __init__(self) -> None:
        super().__init__(nn.Linear(6, 4), nn.BatchNorm1d(4))


def test_a_copy_has_weights_of_its_own() -> None:
    run, x = torch.compile(Normed(), backend=neuronc), torch.randn(5, 6)
    run.eval()
    before = run(x)
    twin = copy.deepcopy(run)
    with torch.no_grad():
        next(twin.parameters()).mul_(2)
    torch.testing.assert_close(run(x), before)
    torch.testing.assert_close(twin(x), twin._orig_mod(x), **FLOAT32)


@pytest.mark.parametrize("assign", [False, True], ids=["copied", "assigned"])
def test_weights_that_are_loaded_are_seen_by_the_next_call(assign: bool) -> None:
    """After training steps; into the model's memory, or as other tensors."""
    model, x = Normed(), torch.randn(5, 6)
    run, optimiser = torch.compile(model, backend=neuronc), torch.optim.SGD(model.parameters(), 0.1)
    for _ in range(2):
        run(x).square().mean().backward()
        optimiser.step()
        optimiser.zero_grad()
    saved = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    trained = run.eval()(x)
    other = Normed().eval()
    for state, wanted in ((other.state_dict(), other(x)), (saved, trained)):
        model.load_state_dict(state, assign=assign)
        torch.testing.assert_close(run(x), wanted, **FLOAT32)


def test_a_small_last_batch_is_compiled_once() -> None:
    """Gradients are gathered over the batches of three epochs, as in eager.

    With the second size torch makes a graph of any size, which takes the first one too from then.
    The variance of a batch of two may be small, and its inverse makes roundings large: on some
    machines eager itself is 2.5e-5 from float64, so that is what both are measured by.
    """
    programs: list[Any] = []
    model = Normed()
    reference, exact = copy.deepcopy(model), copy.deepcopy(model).double()
    run = torch.compile(model, backend=neuronc, options={"observe": programs.append})
    data, made = torch.randn(10, 6), []
    for _ in range(3):
        for batch in torch.utils.data.DataLoader(data, batch_size=4):
            for one in (run, reference):
                one(batch).square().mean().backward()
            exact(batch.double()).square().mean().backward()
        made.append(len(programs))
    assert made == [4, 6, 6]
    errors = [
        [
            (p.grad - q.grad).abs().max()
            for p, q in zip(m.parameters(), exact.parameters(), strict=True)
        ]
        for m in (model, reference)
    ]
    for ours, theirs in zip(*errors, strict=True):
        assert ours <= 4 * theirs + FLOAT32["atol"]
    torch.testing.assert_close(model[1].running_var, reference[1].running_var, **FLOAT32)


def test_autocast_trains_in_bfloat16() -> None:
    """Beside eager in autocast, which is as far from float32 as that."""
    model = nn.Sequential(nn.Linear(8, 16), nn.LayerNorm(16), nn.Linear(16, 4))
    exact, reference = copy.deepcopy(model), copy.deepcopy(model)
    x, labels = torch.randn(5, 8), torch.tensor([0, 1, 2, 3, 0])
    for one, enabled in (
        (torch.compile(model, backend=neuronc), True),
        (reference, True),
        (exact, False),
    ):
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            loss = functional.cross_entropy(one(x), labels)
        loss.backward()
    rows = (model.named_parameters(), reference.parameters(), exact.parameters())
    for (name, ours), theirs, wanted in zip(*rows, strict=True):
        allowed = FACTOR * (theirs.grad - wanted.grad).abs().max()
        assert (ours.grad - wanted.grad).abs().max() <= allowed, name


def test_inference_mode_and_training_take_turns() -> None:
    model, x = nn.Linear(6, 4), torch.randn(5, 6)
    run = torch.compile(model, backend=neuronc)
    for _ in range(2):
        with torch.inference_mode():
            torch.testing.assert_close(run(x), model(x), **FLOAT32)
        run(x).sum().backward()
    torch.testing.assert_close(model.bias.grad, torch.full((4,), 10.0))
