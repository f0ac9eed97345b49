"""PyTorch models in: what is exported, how it is compiled, what is refused."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch._higher_order_ops.while_loop import while_loop

import neuronc
import neuronc.torch
from neuronc.cli import main
from neuronc.torch.elements import to_numpy


def mlp() -> torch.nn.Module:
    torch.manual_seed(0)
    layers = torch.nn.Linear(16, 32), torch.nn.GELU(), torch.nn.LayerNorm(32)
    return torch.nn.Sequential(*layers, torch.nn.Linear(32, 4), torch.nn.Softmax(-1)).eval()


X = torch.randn(3, 16, generator=torch.Generator().manual_seed(1))


def error_of(found: np.ndarray, wanted: torch.Tensor) -> float:
    """Relative to the largest; what is NaN in one must be in both."""
    want = wanted.detach().double().numpy()
    assert found.shape == want.shape
    np.testing.assert_array_equal(np.isnan(found.astype(np.float64)), np.isnan(want))
    if not want.size:
        return 0.0
    scale = np.nanmax(np.abs(want)) or 1.0
    return float(np.nanmax(np.abs(found - want)) / scale)


def test_a_model_gives_what_eager_pytorch_gives() -> None:
    model = mlp()
    (ours,) = neuronc.load(neuronc.torch.compile_model(model, (X,)))(X.numpy())
    assert error_of(ours, model(X)) < 2e-6


def test_weights_are_arguments_under_the_names_of_the_state_dict() -> None:
    model = mlp()
    exported = neuronc.torch.export(model, (X,))
    assert set(exported.weights) == set(model.state_dict())
    assert 'loc("3.weight")' in exported.module.operation.get_asm(enable_debug_info=True)


def test_any_checkpoint_with_these_names_will_do(tmp_path: Path) -> None:
    model = mlp()
    neuronc.torch.compile_model(model, (X,), external_weights=True).save(tmp_path / "m.neff")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(0.5)
    save_file(model.state_dict(), tmp_path / "other.safetensors")
    program = neuronc.load(tmp_path / "m.neff", weights=tmp_path / "other.safetensors")
    assert error_of(program(X.numpy())[0], model(X)) < 2e-6


def test_everything_unsupported_is_in_one_error() -> None:
    class Model(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return torch.linalg.ldl_factor(x)[0], torch._standard_gamma(x)

    with pytest.raises(neuronc.NeuroncError) as caught:
        neuronc.torch.export(Model(), (torch.zeros(3, 3),))
    assert caught.value.code == "NRC-0901"
    assert "linalg_ldl_factor" in str(caught.value)
    assert "standard_gamma" in str(caught.value)
    assert "test_torch_export.py:" in str(caught.value)


def test_an_assertion_on_values_is_left_out() -> None:
    class Model(torch.nn.Module):
        def forward(self, lengths: torch.Tensor) -> torch.Tensor:
            torch._check(lengths.max().item() <= 8)
            return lengths * 2

    lengths = torch.tensor([3, 5])
    (found,) = neuronc.load(neuronc.torch.compile_model(Model(), (lengths,)))(lengths.numpy())
    assert found.tolist() == [6, 10]


def test_what_hands_values_to_shapes_is_named() -> None:
    class Model(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x[x > 0] * 2

    with pytest.raises(neuronc.NeuroncError, match="index") as caught:
        neuronc.torch.export(Model(), (torch.ones(4),))
    assert caught.value.code == "NRC-0901"
    assert "depends on the values" in str(caught.value)


@pytest.mark.parametrize("chance", [0.0, 0.5])
def test_attention_that_drops_probabilities_is_refused(chance: float) -> None:
    class Model(torch.nn.Module):
        def forward(self, q: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.scaled_dot_product_attention(q, q, q, dropout_p=chance)

    q = torch.zeros(1, 2, 4, 8)
    if not chance:
        neuronc.torch.export(Model(), (q,))
        return
    with pytest.raises(neuronc.NeuroncError, match="dropout_p is not 0") as caught:
        neuronc.torch.export(Model(), (q,))
    assert caught.value.code == "NRC-0901"


@pytest.mark.parametrize("name", ["dropout2d", "feature_alpha_dropout"])
def test_whole_channels_are_dropped(name: str) -> None:
    """What is left of one is a single number."""
    drop = getattr(torch.nn.functional, name)

    class Model(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return drop(x, 0.4, training=True)

    x = torch.randn(16, 32, 6)[..., None].expand(-1, -1, -1, 3).contiguous()
    (y,) = neuronc.load(neuronc.torch.compile_model(Model(), (x,)))(to_numpy(x))
    dropped = y.max((2, 3)) == y.min((2, 3))
    # 512 channels, each with probability 0.4: 0.1 is 4.6 standard deviations.
    assert abs(dropped.mean() - 0.4) < 0.1
    eager = to_numpy(drop(x, 0.4, training=True))
    lost = eager[eager.max((2, 3)) == eager.min((2, 3))][0, 0, 0]
    np.testing.assert_allclose(y[dropped], lost, rtol=1e-6)


def test_dropout_of_selu_keeps_mean_and_variance() -> None:
    class Model(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.alpha_dropout(x, 0.3, training=True)

    x = torch.randn(64, 1024)
    (y,) = neuronc.load(neuronc.torch.compile_model(Model(), (x,)))(to_numpy(x))
    # Of 2^16 numbers the mean deviates by 2^-8, the variance by less than 2^-7; five times these.
    assert abs(y.mean()) < 0.02
    assert abs(y.var() - 1) < 0.04


def test_the_page_of_operations_is_current_and_complete() -> None:
    generator = runpy.run_path(str(Path(__file__).parents[1] / "docs" / "aten.py"))
    assert generator["PAGE"].read_text() == generator["page"]()
    assert "|  |" not in generator["PAGE"].read_text()


def test_control_flow_stays_control_flow() -> None:
    class Model(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
            chosen = torch.cond(x.sum() > 0, lambda v: v.sin(), lambda v: v.cos(), (x,))
            count, total = while_loop(
                lambda i, v: i < 5, lambda i, v: (i + 1, v * 1.5), (torch.tensor(0), x)
            )
            return chosen, count, total

    compiled = neuronc.torch.compile_model(Model(), (X,))
    found = neuronc.load(compiled)(X.numpy())
    assert [error_of(f, w) < 1e-6 for f, w in zip(found, Model()(X), strict=True)] == [True] * 3
    kinds = {type(step).__name__ for step in compiled.model.program}
    assert {"While", "Case"} <= kinds


def test_tied_weights_are_one_argument() -> None:
    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = torch.nn.Linear(16, 16, bias=False)
            self.last = torch.nn.Linear(16, 16, bias=False)
            self.last.weight = self.first.weight

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.last(self.first(x).relu())

    assert list(neuronc.torch.export(Model(), (X,)).weights) == ["first.weight"]


def test_indices_count_from_the_end_and_may_be_masked() -> None:
    class Model(torch.nn.Module):
        def forward(self, x: torch.Tensor, i: torch.Tensor) -> tuple[torch.Tensor, ...]:
            put = x.index_put((i,), torch.ones(2, 16), accumulate=True)
            return x[i, -1], x[:, [-2, 3]], put, x.gather(1, i[None].abs()), x.masked_fill(x > 0, 7)

    index = torch.tensor([-1, 0])
    found = neuronc.load(neuronc.torch.compile_model(Model(), (X, index)))(X.numpy(), index.numpy())
    for ours, theirs in zip(found, Model()(X, index), strict=True):
        np.testing.assert_array_equal(ours, theirs.numpy())


def test_a_dynamic_program_compiles_for_a_bucket(tmp_path: Path) -> None:
    model, batch = mlp(), torch.export.Dim("batch", min=1, max=64)
    program = torch.export.export(model, (X,), dynamic_shapes=({0: batch},))
    torch.export.save(program, tmp_path / "m.pt2")
    words = ["compile", str(tmp_path / "m.pt2"), "-o", str(tmp_path / "m.neff")]
    assert main([*words, "--shape", "input=5x16", "--quiet"]) == 0
    x = torch.randn(5, 16)
    assert error_of(neuronc.load(tmp_path / "m.neff")(x.numpy())[0], model(x)) < 2e-6


def test_a_file_is_checked_like_any_program(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Sized(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.nonzero(x)

    good, bad = tmp_path / "good.pt2", tmp_path / "bad.pt2"
    torch.export.save(torch.export.export(mlp(), (X,)), good)
    torch.export.save(torch.export.export(Sized(), (X,)), bad)
    assert main(["check", str(good)]) == 0
    assert capsys.readouterr().out == f"{good}: ok\n"
    assert main(["check", str(bad)]) == 1
    assert "NRC-" in capsys.readouterr().out
    bad.write_bytes(good.read_bytes()[:-100] + bytes(100))
    assert main(["check", str(bad)]) == 1


def test_a_masked_row_of_attention_is_zero_as_in_torch() -> None:
    class Model(torch.nn.Module):
        def forward(self, q: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.scaled_dot_product_attention(q, q, q, attn_mask=mask)

    q, mask = torch.randn(1, 2, 4, 8), torch.ones(4, 4, dtype=torch.bool)
    mask[1] = False
    (found,) = neuronc.load(neuronc.torch.compile_model(Model(), (q, mask)))(
        q.numpy(), mask.numpy()
    )
    assert error_of(found, Model()(q, mask)) < 1e-6
    assert not found[0, 0, 1].any()


def test_a_weight_outside_is_never_looked_at() -> None:
    """Its values may change after the compilation: even equal numbers are no splat."""
    model = torch.nn.Linear(16, 4)
    torch.nn.init.zeros_(model.weight)
    compiled = neuronc.torch.compile_model(model, (X,), external_weights=True)
    assert {c.external for c in compiled.model.constants} == {"weight", "bias"}


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
def test_a_grid_is_sampled_in_all_of_its_ways(mode: str, padding: str) -> None:
    class Model(torch.nn.Module):
        def forward(self, x: torch.Tensor, grid: torch.Tensor) -> torch.Tensor:
            sample = torch.nn.functional.grid_sample
            return sample(x, grid, mode=mode, padding_mode=padding, align_corners=False)

    x, grid = torch.randn(1, 2, 5, 6), 1.3 * torch.rand(1, 4, 3, 2) - 0.7
    program = neuronc.load(neuronc.torch.compile_model(Model(), (x, grid)))
    assert error_of(program(x.numpy(), grid.numpy())[0], Model()(x, grid)) < 1e-5


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_grid_of_halves_samples_as_well_as_their_spacing(dtype: torch.dtype) -> None:
    class Model(torch.nn.Module):
        def forward(self, x: torch.Tensor, grid: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.grid_sample(x, grid, align_corners=False)

    torch.manual_seed(0)
    x, grid = torch.randn(1, 2, 16, 16, dtype=dtype), (torch.rand(1, 8, 8, 2) * 2 - 1).to(dtype)
    program = neuronc.load(neuronc.torch.compile_model(Model(), (x, grid)))
    (found,) = program(to_numpy(x), to_numpy(grid))
    # Places and weights in float32, and one rounding: half a spacing of the largest value.
    exact = Model()(x.double(), grid.double()).numpy()
    allowed = torch.finfo(dtype).eps / 2 * abs(exact).max()
    assert abs(found.astype(np.float64) - exact).max() <= allowed


class Factor(torch.nn.Module):
    def __init__(self, pivot: bool) -> None:
        super().__init__()
        self.pivot = pivot

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(torch.linalg.lu_factor(x, pivot=self.pivot))


def test_lapack_always_exchanges_rows() -> None:
    x = torch.randn(4, 4, generator=torch.Generator().manual_seed(2))
    lu, pivots = neuronc.load(neuronc.torch.compile_model(Factor(True), (x,)))(to_numpy(x))
    wanted = torch.linalg.lu_factor(x)
    assert (pivots == to_numpy(wanted.pivots)).all()
    assert error_of(lu, wanted.LU) < 2e-5
    with pytest.raises(neuronc.NeuroncError, match=r"(?s)NRC-0901.*linalg_lu_factor.*pivot=False"):
        neuronc.torch.export(Factor(False), (x,))


@pytest.mark.parametrize("upper", [False, True])
def test_cholesky_says_where_there_is_no_factor(upper: bool) -> None:
    class Model(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return tuple(torch.linalg.cholesky_ex(x, upper=upper))

    root = torch.randn(2, 3, 3, generator=torch.Generator().manual_seed(3))
    good = root @ root.mT + torch.eye(3)
    x = torch.cat([good, -good[:1]])
    factor, info = neuronc.load(neuronc.torch.compile_model(Model(), (x,)))(to_numpy(x))
    wanted = torch.linalg.cholesky_ex(x, upper=upper)
    assert ((info > 0) == to_numpy(wanted.info > 0)).all()
    assert error_of(factor[:2], wanted.L[:2]) < 2e-5


def test_models_of_one_form_keep_their_own_weights_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEURONC_CACHE_DIR", str(tmp_path))
    for external in (False, True):
        first, second = torch.nn.Linear(16, 4), torch.nn.Linear(16, 4)
        hits: list[bool] = []
        for model in (first, second, first):
            made = neuronc.torch.compile_model(model, (X,))
            hits.append(made.cached)
            (y,) = neuronc.load(made)(to_numpy(X))
            assert error_of(y, model(X)) < 2e-6
            if external:
                weights = tmp_path / "weights.safetensors"
                made = neuronc.torch.compile_model(model, (X,), external_weights=weights)
                made.save(tmp_path / "model.neff")
                (y,) = neuronc.load(tmp_path / "model.neff", weights=weights)(to_numpy(X))
                assert error_of(y, model(X)) < 2e-6
        assert hits == [False, False, True]


class Pairs(torch.nn.Module):
    """As many rows as a mask of torch's own chooses."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.combinations(x, 2)


class Grown(torch.nn.Module):
    """More elements than there are."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.clone().resize_(x.numel() + 1)


class Loops(torch.nn.Module):
    """A loop that one branch runs."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        def looped(y: torch.Tensor) -> torch.Tensor:
            loop = torch._higher_order_ops.while_loop
            return loop(lambda i, _: i < 5, lambda i, z: (i + 1, z * 1.5), (torch.tensor(0), y))[1]

        return torch.cond(x.sum() > 0, looped, torch.cos, (x,))


@pytest.mark.parametrize(
    ("model", "args", "message"),
    [
        (lambda x: x + 1, (X,), "NRC-0905.*trace function"),
        (torch.jit.script(torch.nn.Linear(16, 4)), (X,), "NRC-0905.*trace RecursiveScriptModule"),
        (torch.nn.Linear(16, 4), X, r"NRC-0905(?s:.*)\(x,\)"),
        (torch.nn.Linear(16, 4, device="meta"), (X.to("meta"),), "NRC-0912.*'weight' and 1 more"),
        (Pairs(), (X[0],), "NRC-0905.*trace Pairs"),
        (Grown(), (X,), "NRC-0901(?s:.*)leaves the tensor"),
        (Loops(), (X,), "NRC-0905(?s:.*)while_loop lies inside a cond"),
    ],
    ids=["function", "script", "tensor", "meta", "pairs", "grown", "loop in a branch"],
)
def test_what_cannot_be_taken_is_one_coded_error(model: Any, args: Any, message: str) -> None:
    with pytest.raises(neuronc.NeuroncError, match=message):
        neuronc.torch.compile_model(model, args)


@pytest.mark.parametrize("bounds", [(0, 0), (-1, 2), (3, 3)])
def test_a_histogram_finds_its_bounds(bounds: tuple[int, int]) -> None:
    class Model(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.histc(x, 10, *bounds)

    for x in (X, torch.ones(3, 16)):
        (found,) = neuronc.load(neuronc.torch.compile_model(Model(), (x,)))(to_numpy(x))
        assert found.tolist() == torch.histc(x, 10, *bounds).tolist()


def test_one_extent_stands_for_all_that_are_pooled() -> None:
    class Model(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
            pooled = torch.ops.aten.max_pool2d_with_indices(x, [3], [2], [1])
            return (*pooled, torch.ops.aten.avg_pool2d(x, [2]), x.new_zeros(1, 0).unfold(1, 0, 7))

    x = torch.randn(1, 2, 8, 8)
    found = neuronc.load(neuronc.torch.compile_model(Model(), (x,)))(to_numpy(x))
    for ours, theirs in zip(found, Model()(x), strict=True):
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, to_numpy(theirs), rtol=1e-6, atol=1e-6)
