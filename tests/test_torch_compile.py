"""`torch.compile(model, backend="neuronc")`, judged by eager torch."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from neuronc.artifact.model import BufferKind  # noqa: E402
from neuronc.torch import explain  # noqa: E402
from neuronc.torch.backend import neuronc  # noqa: E402
from tests.torch_bounds import FLOAT32  # noqa: E402


@pytest.fixture(autouse=True)
def fresh() -> None:
    torch._dynamo.reset()
    torch.manual_seed(0)


def compiled(model: Callable[..., Any], **options: Any) -> tuple[Callable[..., Any], list[Any]]:
    """The compiled model, and the programs that it was compiled to, as they are made."""
    programs: list[Any] = []
    chosen = {"observe": programs.append, **options}
    return torch.compile(model, backend=neuronc, options=chosen), programs


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(16, 512), nn.GELU(), nn.LayerNorm(512), nn.Linear(512, 800))


class Cnn(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.pool, self.head = nn.MaxPool2d(2), nn.Linear(8 * 16, 4)

    def forward(self, x: Any) -> Any:
        return self.head(self.pool(torch.relu(self.norm(self.conv(x)))).flatten(1))


class Cache(nn.Module):
    """A step that writes one row of a cache, and reads all of them."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("keys", torch.zeros(2, 1024, 256))
        self.project = nn.Linear(256, 256)

    def forward(self, x: Any, position: Any) -> Any:
        self.keys.index_copy_(1, position, self.project(x)[:, None])
        return torch.einsum("bld,bd->bl", self.keys, x)


def test_the_backend_is_found_without_an_import() -> None:
    code = """if True:
        import torch
        model = torch.nn.Linear(8, 4)
        compiled = torch.compile(model, backend="neuronc", options={"target": "trn3"})
        x = torch.randn(3, 8)
        torch.testing.assert_close(compiled(x), model(x))
    """
    subprocess.run([sys.executable, "-c", code], check=True)


def test_neuronc_does_not_import_torch() -> None:
    code = "import neuronc, neuronc.api, sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_weights_are_bound_once_and_never_copied() -> None:
    model = mlp()
    run, programs = compiled(model)
    with torch.no_grad():
        for seed in range(3):
            x = torch.randn(4, 16, generator=torch.Generator().manual_seed(seed))
            torch.testing.assert_close(run(x), model(x), **FLOAT32)
            assert programs[0].copied_bytes == 4 * (4 * 16 + 4 * 800)
    (program,) = programs
    held = {a.ctypes.data for a in program.bound.values()}
    assert held == {p.data_ptr() for p in model.parameters()}


def test_weights_that_are_changed_in_place_or_replaced_are_seen() -> None:
    model = mlp()
    run, programs = compiled(model)
    x = torch.randn(4, 16)
    with torch.no_grad():
        run(x)
        for parameter in model.parameters():
            parameter.mul_(0.5)
        torch.testing.assert_close(run(x), model(x), **FLOAT32)
        for parameter in model.parameters():
            parameter.data = torch.randn_like(parameter)
        torch.testing.assert_close(run(x), model(x), rtol=2e-4, atol=2e-4)
    assert len(programs) == 1


@pytest.mark.parametrize("name", ["mlp", "dropout", "cnn"])
def test_training_steps_are_those_of_eager(name: str) -> None:
    """Masks of dropout too: torch draws them, in eager's order."""
    model: nn.Module = {
        "mlp": mlp,
        "dropout": lambda: nn.Sequential(nn.Linear(16, 64), nn.Dropout(0.3), nn.Linear(64, 8)),
        "cnn": Cnn,
    }[name]()
    reference = copy.deepcopy(model)
    run, programs = compiled(model)
    pairs = [(run, model), (reference, reference)]
    optimisers = [torch.optim.SGD(m.parameters(), 0.05, momentum=0.9) for _, m in pairs]
    for step in range(4):
        torch.manual_seed(step)
        x = torch.randn(2, 3, 8, 8) if name == "cnn" else torch.randn(4, 16)
        losses = []
        for (call, _), optimiser in zip(pairs, optimisers, strict=True):
            torch.manual_seed(step)
            loss = call(x).square().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.detach())
        torch.testing.assert_close(*losses, **FLOAT32)
    for key, value in model.state_dict().items():
        torch.testing.assert_close(value, reference.state_dict()[key], **FLOAT32)
    assert len(programs) == 2


def test_a_cache_is_updated_in_place() -> None:
    model = Cache()
    reference, address = copy.deepcopy(model), model.keys.data_ptr()
    run, programs = compiled(model)
    with torch.no_grad():
        for i in range(3):
            x, position = torch.randn(2, 256), torch.tensor([i])
            torch.testing.assert_close(run(x, position), reference(x, position), **FLOAT32)
            torch.testing.assert_close(model.keys, reference.keys, **FLOAT32)
            assert programs[0].copied_bytes < 20_000 < model.keys.nbytes
    assert model.keys.data_ptr() == address
    artifact = programs[0].artifact
    assert sum(b.kind is BufferKind.OUTPUT for b in artifact.buffers) == 1
    assert not [k for k in artifact.kernels if k.name.startswith("copy_")]


def test_an_argument_that_is_changed_is_changed_for_the_caller() -> None:
    def step(x: Any, y: Any) -> Any:
        x.add_(y)
        return x * 2

    run, _ = compiled(step)
    for n in (3, 4):
        x, y = torch.randn(n), torch.randn(n)
        expected = x + y
        torch.testing.assert_close(run(x, y), expected * 2)
        torch.testing.assert_close(x, expected)


def test_each_shape_is_compiled_once_and_picked_when_it_comes_back() -> None:
    model = mlp()
    run, programs = compiled(model)
    with torch.no_grad():
        for batch in (2, 3, 5, 3, 2, 5):
            x = torch.randn(batch, 16)
            torch.testing.assert_close(run(x), model(x), **FLOAT32)
    artifacts = {id(p.artifact): p.artifact for p in programs}.values()
    assert sorted(a.outputs[0].shape[0] for a in artifacts) == [2, 3, 5]


def test_shapes_change_while_training() -> None:
    model = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 8))
    run, _ = compiled(model)
    for batch in (2, 3, 5, 3):
        x = torch.randn(batch, 16)
        ours = torch.autograd.grad(run(x).square().sum(), list(model.parameters()))
        wanted = torch.autograd.grad(model(x).square().sum(), list(model.parameters()))
        for one, other in zip(ours, wanted, strict=True):
            torch.testing.assert_close(one, other, **FLOAT32)


def test_layouts_and_bfloat16_keep_their_bits() -> None:
    def product(x: Any, w: Any) -> Any:
        return (x * 2) + w.t()

    run, programs = compiled(product)
    x, w = torch.randn(300, 600).bfloat16(), torch.randn(600, 300).bfloat16()
    for given in ((x, w), (x.t().contiguous().t(), w[::2].repeat(2, 1))):
        found = run(*given)
        assert found.dtype is torch.bfloat16
        assert torch.equal(found, product(*given))
    assert programs


def test_outputs_may_be_views_constants_and_nothing() -> None:
    def several(x: Any, n: int) -> Any:
        return x.t(), x + n, None, n, x[0]

    run, _ = compiled(several)
    x = torch.randn(3, 4)
    found, wanted = run(x, 3), several(x, 3)
    assert found[2:4] == wanted[2:4]
    for i in (0, 1, 4):
        torch.testing.assert_close(found[i], wanted[i])
    assert found[0].data_ptr() == x.data_ptr()


def broken(x: Any) -> Any:
    y = x * 2
    print("between two graphs", end="")
    return y + 1


def test_a_graph_break_is_tolerated_and_explained(capsys: pytest.CaptureFixture[str]) -> None:
    run, programs = compiled(broken)
    torch.testing.assert_close(run(torch.ones(3)), torch.full((3,), 3.0))
    assert len(programs) == 2
    found = explain(broken, torch.ones(3))
    assert found.graphs == 2
    (one,) = found.breaks
    assert "test_torch_compile.py" in one.where
    assert "in broken" in one.where
    assert "2 graphs of 1, 1 operations, 1 breaks" in str(found)
    assert explain(lambda x: x + 1, torch.ones(3)).breaks == ()
    capsys.readouterr()


@pytest.mark.parametrize(
    ("fn", "options", "code"),
    [
        (lambda x: x + 1, {"chip": "trn3"}, "NRC-0913"),
        (lambda x: x + 1, {"target": "trn9"}, "NRC-0705"),
        (lambda x: torch.poisson(x.sigmoid()), {}, "NRC-0911"),
    ],
)
def test_what_cannot_be_is_one_coded_error(
    fn: Callable[..., Any], options: dict[str, Any], code: str
) -> None:
    with pytest.raises(torch._dynamo.exc.BackendCompilerFailed, match=code):
        torch.compile(fn, backend=neuronc, options=options)(torch.ones(3))


def test_random_numbers_are_torchs_own() -> None:
    def noisy(x: Any) -> Any:
        return x + torch.randn(4, 3) * torch.rand_like(x)

    run, _ = compiled(noisy)
    x = torch.ones(4, 3)
    for seed in range(2):
        torch.manual_seed(seed)
        found = run(x)
        torch.manual_seed(seed)
        torch.testing.assert_close(found, noisy(x))


def storages(*tensors: Any) -> set[int]:
    return {t.untyped_storage().data_ptr() for t in tensors}


@pytest.mark.parametrize("how", [{}, {"dynamic": True}], ids=["static", "dynamic"])
@pytest.mark.parametrize("grad", [False, True])
def test_outputs_share_memory_as_in_eager(how: dict[str, Any], grad: bool) -> None:
    def several(x: Any) -> Any:
        y = (x + 1).t()
        return y[1:], y.t().view(-1)[::2], y, x * 2

    run = torch.compile(several, backend=neuronc, **how)
    x = torch.randn(3, 4, requires_grad=grad)
    found, wanted = run(x), several(x)
    assert len(storages(*found)) == 2
    if not grad:
        for one in (found, wanted):
            one[0].mul_(7)
    for ours, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(ours, theirs)
        assert ours.stride() == theirs.stride()


def test_what_was_permuted_stays_so_between_graphs() -> None:
    def parts(x: Any) -> Any:
        y = (x * 2).transpose(0, 1)
        torch._dynamo.graph_break()
        return y.transpose(0, 1).view(-1)

    run, _ = compiled(parts)
    x = torch.randn(3, 4)
    torch.testing.assert_close(run(x), parts(x))


def test_a_transposed_argument_is_changed_where_it_lies() -> None:
    def double(x: Any) -> Any:
        x.mul_(2)
        return x.sum()

    run, _ = compiled(double)
    base = torch.randn(3, 4)
    wanted = base * 4
    for _ in range(2):
        torch.testing.assert_close(run(base.t()), base.sum(), **FLOAT32)
    torch.testing.assert_close(base, wanted)


def test_arguments_that_overlap_are_changed_together() -> None:
    def step(x: Any, y: Any) -> Any:
        x.mul_(2)
        return y + 1

    run, _ = compiled(step)
    base = torch.randn(4, 6)
    other = base.clone()
    for one, call in ((base, run), (other, step)):
        assert call(one, one.view(-1)[:6]).sum() == one.view(-1)[:6].add(1).sum()
    torch.testing.assert_close(base, other)


def test_pooling_to_one_pixel_trains_with_channels_last() -> None:
    last = {"memory_format": torch.channels_last}
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1)).to(**last)
    reference, x = copy.deepcopy(model), torch.randn(2, 3, 8, 8).to(**last)
    for one in (compiled(model)[0], reference):
        one(x).square().sum().backward()
    for ours, theirs in zip(model.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-5)


SAMPLED: dict[str, Callable[[Any], Any]] = {
    "bernoulli": torch.bernoulli,
    "normal": lambda p: torch.normal(p, p + 1) + torch.normal(p, 2.0) + torch.normal(1.0, p),
    "multinomial": lambda p: torch.multinomial(p, 3),
    "one of many": lambda p: torch.multinomial(p, 1, replacement=True),
    "gumbel softmax": lambda p: nn.functional.gumbel_softmax(p, hard=True),
    "geometric": lambda p: p + torch.empty_like(p).geometric_(0.3),
}


@pytest.mark.parametrize("name", SAMPLED)
def test_a_seed_gives_eagers_numbers(name: str) -> None:
    p = torch.rand(4, 40) * 0.8 + 0.1
    found = []
    for call in (compiled(SAMPLED[name])[0], SAMPLED[name]):
        torch.manual_seed(3)
        found.append(call(p))
    torch.testing.assert_close(*found, **FLOAT32)


def test_a_walk_through_a_part_reads_all_of_its_memory() -> None:
    def twice(x: Any) -> Any:
        y = (x + 1)[:, ::2]
        return y.as_strided((3, 5), (6, 1)) * 2, y.as_strided((2,), (1,), 3) * 2

    x = torch.randn(4, 6)
    for ours, theirs in zip(compiled(twice)[0](x), twice(x), strict=True):
        torch.testing.assert_close(ours, theirs)
