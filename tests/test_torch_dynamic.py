"""What changes while a PyTorch program runs: control flow, custom operations, shapes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch._higher_order_ops.map import map as torch_map  # noqa: E402
from torch._higher_order_ops.scan import scan  # noqa: E402
from torch._higher_order_ops.while_loop import while_loop  # noqa: E402

import neuronc  # noqa: E402
import neuronc.torch  # noqa: E402
from neuronc.cli import main  # noqa: E402
from neuronc.torch.backend import neuronc as backend  # noqa: E402
from neuronc.torch.table import CUSTOM  # noqa: E402
from tests.torch_bounds import FLOAT32  # noqa: E402

X = torch.randn(4, 8, generator=torch.Generator().manual_seed(1))


@pytest.fixture(autouse=True)
def fresh() -> None:
    torch._dynamo.reset()
    torch.manual_seed(0)


class Holds(nn.Module):
    """A function of x and a weight that its branches and bodies capture."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.weight, self.function = nn.Parameter(torch.randn(8, 8) / 4), function

    def forward(self, x: Any) -> Any:
        return self.function(x, self.weight)


def cond_captures(x: Any, w: Any) -> Any:
    return torch.cond(x.sum() > 0, lambda v: v @ w, lambda v: (v - w[0]).cos(), (x,))


def cond_nested(x: Any, w: Any) -> Any:
    def inner(v: Any) -> Any:
        return torch.cond(v.mean() > 0.2, lambda u: u + w[0], lambda u: u * 3, (v,))

    return torch.cond(x.sum() > 0, inner, lambda v: v.sin(), (x,))


def while_captures(x: Any, w: Any) -> Any:
    def more(i: Any, v: Any) -> Any:
        return (i < 6) & (v.abs().max() < 100)

    return while_loop(more, lambda i, v: (i + 1, v @ w + 1), (torch.tensor(0), x))


def while_in_cond(x: Any, w: Any) -> Any:
    """Compiled only: torch 2.13 exports it, but cannot decompose what it exported."""

    def loop(v: Any) -> Any:
        return while_loop(lambda i, u: i < 3, lambda i, u: (i + 1, u @ w), (torch.tensor(0), v))[1]

    return torch.cond(x[0, 0] > 0, loop, lambda v: v.exp(), (x,))


def cond_in_while(x: Any, w: Any) -> Any:
    def body(i: Any, v: Any) -> Any:
        return i + 1, torch.cond(i % 2 == 0, lambda u: u @ w, lambda u: u + 1, (v,))

    return while_loop(lambda i, v: i < 5, body, (torch.tensor(0), x))


def scan_captures(x: Any, w: Any) -> Any:
    def step(carry: Any, row: Any) -> Any:
        new = torch.tanh(carry @ w + row)
        return new, new * 2

    return scan(step, torch.zeros(8), x)


def scan_backwards(x: Any, w: Any) -> Any:
    return scan(lambda c, r: (c + r, c * r), w[0] * 1, x, reverse=True)


def scan_of_several(x: Any, w: Any) -> Any:
    def step(carry: Any, rows: Any) -> Any:
        a, b = carry
        r, s = rows
        return (a + r, b * s.cos()), (a - b, r @ w)

    return scan(step, (w[0] * 1, w[1] * 1), (x, x * 2))


def map_captures(x: Any, w: Any) -> Any:
    return torch_map(lambda row, v: (row @ v).relu(), x, w)


def map_of_cond(x: Any, w: Any) -> Any:
    def one(row: Any, v: Any) -> Any:
        return torch.cond(row.sum() > 0, lambda r: r @ v, lambda r: r * 2, (row,))

    return torch_map(one, x, w)


CONTROL = [
    cond_captures, cond_nested, while_captures, while_in_cond, cond_in_while, scan_captures,
    scan_backwards, scan_of_several, map_captures, map_of_cond,
]  # fmt: skip


@pytest.mark.parametrize(
    "function", [f for f in CONTROL if f is not while_in_cond], ids=lambda f: f.__name__
)
@pytest.mark.parametrize("sign", [1, -1])
def test_exported_control_flow_is_eagers(function: Callable[..., Any], sign: int) -> None:
    model, x = Holds(function).eval(), X.abs() * sign
    with torch.no_grad():
        wanted = torch.utils._pytree.tree_leaves(model(x))
        compiled = neuronc.torch.compile_model(model, (X,))
    found = neuronc.load(compiled)(x.numpy())
    for ours, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(torch.from_numpy(np.array(ours)), theirs, **FLOAT32)


@pytest.mark.parametrize("function", CONTROL, ids=lambda f: f.__name__)
def test_compiled_control_flow_is_eagers(function: Callable[..., Any]) -> None:
    model = Holds(function).eval()
    run = torch.compile(model, backend=backend, fullgraph=True)
    with torch.no_grad():
        for x in (X.abs(), -X.abs()):
            torch.testing.assert_close(run(x), model(x), **FLOAT32)


@pytest.fixture
def library() -> Iterator[Any]:
    """An operation of this test's own, and its meaning taken away again."""
    made = torch.library.Library("neuronc_test", "DEF")
    made.define("blend(Tensor x, Tensor y, float t) -> (Tensor, Tensor)")
    made.define("other(Tensor x) -> Tensor")

    def blend(x: Any, y: Any, t: float) -> tuple[Any, Any]:
        return x * t + y * (1 - t), x - y

    made.impl("blend", blend, "CPU")
    made.impl("other", lambda x: x + 1, "CPU")
    fake = torch.library.register_fake
    fake(
        "neuronc_test::blend", lambda x, y, t: (torch.empty_like(x), torch.empty_like(x)), lib=made
    )
    fake("neuronc_test::other", torch.empty_like, lib=made)
    before = dict(CUSTOM)
    yield torch.ops.neuronc_test
    CUSTOM.clear()
    CUSTOM.update(before)
    made._destroy()


class Blends(nn.Module):
    def forward(self, x: Any, y: Any) -> Any:
        a, b = torch.ops.neuronc_test.blend(x, y, 0.25)
        return torch.ops.neuronc_test.other(a), b


def test_custom_operations_are_listed_together_until_they_are_registered(library: Any) -> None:
    pair = X, X + 1
    with pytest.raises(neuronc.NeuroncError) as caught:
        neuronc.torch.compile_model(Blends(), pair)
    assert caught.value.code == "NRC-0901"
    assert "2 operations" in str(caught.value)
    assert "neuronc_test.blend" in str(caught.value)
    assert "neuronc_test.other" in str(caught.value)

    @neuronc.torch.register(library.blend)
    def blend(s: Any, x: Any, y: Any, t: float) -> Any:
        left, right = s.b.multiply(x, s.b.like(t, x)), s.b.multiply(y, s.b.like(1 - t, y))
        return [s.b.add(left, right), s.b.subtract(x, y)]

    with pytest.raises(neuronc.NeuroncError, match="1 operation is not supported"):
        neuronc.torch.compile_model(Blends(), pair)

    @neuronc.torch.register(library.other.default)
    def other(s: Any, x: Any) -> Any:
        return s.b.add(x, s.b.like(1, x))

    found = neuronc.load(neuronc.torch.compile_model(Blends(), pair))(*(t.numpy() for t in pair))
    run = torch.compile(Blends(), backend=backend, fullgraph=True)
    for ours, compiled, theirs in zip(found, run(*pair), Blends()(*pair), strict=True):
        torch.testing.assert_close(torch.from_numpy(np.array(ours)), theirs)
        torch.testing.assert_close(compiled, theirs)


def test_an_operation_that_changes_its_arguments_is_refused_by_its_name(library: Any) -> None:
    @torch.library.custom_op("neuronc_test::double_", mutates_args={"x"})
    def double_(x: torch.Tensor) -> None:
        x.mul_(2)

    def model(x: Any) -> Any:
        y = x + 1
        double_(y)
        return y

    said = r"1 operation is not supported:\n *neuronc_test\.double_\.default at .*: it changes its"
    with pytest.raises(torch._dynamo.exc.BackendCompilerFailed, match=said):
        torch.compile(model, backend=backend)(X)


class Sequence(nn.Module):
    """Two symbols, and a length that follows from one: 2 seq."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.head = nn.Embedding(16, 8), nn.Linear(8, 4)

    def forward(self, ids: Any, twice: Any) -> Any:
        x = self.table(ids)
        x = x + twice.reshape(ids.shape[0], ids.shape[1], 2).sum(-1, keepdim=True)
        return self.head(x).flatten(1), twice * 2


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    batch, seq = torch.export.Dim("batch", max=16), torch.export.Dim("seq", min=2, max=32)
    shapes = ({0: batch, 1: seq}, {0: batch, 1: 2 * seq})
    given = torch.zeros(3, 5, dtype=torch.int64), torch.zeros(3, 10)
    program = torch.export.export(Sequence().eval(), given, dynamic_shapes=shapes)
    path = tmp_path_factory.mktemp("dynamic") / "dynamic.pt2"
    torch.export.save(program, path)
    return path


def symbols(path: Path) -> list[str]:
    """The names that torch gave the batch and the length."""
    program = torch.export.load(path)
    (ids, *_) = [n for n in program.graph.nodes if n.name == "ids"]
    return [str(extent) for extent in ids.meta["val"].shape]


@pytest.mark.parametrize(("batch", "seq"), [(1, 2), (3, 5), (16, 32)])
@pytest.mark.parametrize("way", ["shape", "symbol"])
def test_each_bucket_of_a_dynamic_file(
    saved: Path, tmp_path: Path, batch: int, seq: int, way: str
) -> None:
    b, s = symbols(saved)
    said = {
        "shape": ["--shape", f"ids={batch}x{seq}", "--shape", f"twice={batch}x{2 * seq}"],
        "symbol": ["--symbol", f"{b}={batch}", "--symbol", f"{s}={seq}"],
    }[way]
    out = tmp_path / "m.neff"
    assert main(["compile", str(saved), "-o", str(out), *said]) == 0
    ids, twice = torch.randint(0, 16, (batch, seq)), torch.randn(batch, 2 * seq)
    found = neuronc.load(out)(ids.numpy(), twice.numpy())
    for ours, theirs in zip(found, torch.export.load(saved).module()(ids, twice), strict=True):
        torch.testing.assert_close(torch.from_numpy(np.array(ours)), theirs, **FLOAT32)


@pytest.mark.parametrize(
    "said",
    [
        [],
        ["--shape", "ids=4x6", "--shape", "twice=4x13"],
        ["--shape", "ids=4x6", "--shape", "twice=5x12"],
        ["--shape", "ids=17x6", "--shape", "twice=17x12"],
        ["--shape", "ids=4x33", "--shape", "twice=4x66"],
        ["--shape", "ids=4x1", "--shape", "twice=4x2"],
        ["--shape", "ids=4x6x1"],
        ["--shape", "nothing=4"],
        ["--symbol", "nothing=4"],
    ],
    ids=" ".join,
)
def test_a_bucket_that_does_not_fit_is_a_coded_error(
    saved: Path, tmp_path: Path, said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compile", str(saved), "-o", str(tmp_path / "m.neff"), *said]) == 1
    assert "NRC-" in capsys.readouterr().err
    assert not (tmp_path / "m.neff").exists()


def test_marked_dimensions_are_one_graph_and_an_artifact_a_bucket() -> None:
    model, programs = nn.Linear(8, 4), []
    run = torch.compile(
        model, backend=backend, fullgraph=True, options={"observe": programs.append}
    )
    with torch.no_grad():
        for batch in (4, 7, 4, 9, 7):
            x = torch.randn(batch, 8)
            torch._dynamo.mark_dynamic(x, 0)
            torch.testing.assert_close(run(x), model(x), **FLOAT32)
    assert [p.artifact.outputs[0].shape[0] for p in programs] == [4, 7, 9]
