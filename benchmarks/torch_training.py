"""Training through `torch.compile`: whether the loss curve is that of eager torch.

    python benchmarks/torch_training.py --steps 100 --plot docs/training.svg

Float32 rounds, so two correct programs part, and training makes the distance grow. How far is fair
is derived from a rank. The same training in float64 stands for the exact curve. Rows of a batch in
another order, and torch's own kernels instead of oneDNN's, are the same training too, rounded
elsewhere: `ORDERS` such runs of eager torch show what rounding does. If ours rounds as often, its
distance from the exact curve is one more draw from the same distribution, and is the largest of
the nine in one case of nine, whatever the distribution. The bound is `FACTOR` times the largest of
eager's: for errors that are normal, a draw is beyond twice the largest of eight others in one case
of 200. `FLOOR` is for curves that eager happens to hit: a loss is itself rounded.
"""

# matplotlib is optional, and parts of torch are not annotated.
# pyright: reportMissingImports=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

ORDERS, FACTOR = 8, 2
FLOOR = 4 * 2.0**-24
"""A loss of 4 or less, rounded to the nearest float32."""

VOCAB, LENGTH, WIDTH, CLASSES = 64, 16, 32, 10


class TinyLm(nn.Module):
    """Two pre-norm transformer blocks over tokens[B, S]."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.positions = nn.Embedding(VOCAB, WIDTH), nn.Embedding(LENGTH, WIDTH)
        layers = [
            nn.TransformerEncoderLayer(
                WIDTH,
                4,
                4 * WIDTH,
                dropout=0.0,
                activation="gelu",
                norm_first=True,
                batch_first=True,
            )
            for _ in range(2)
        ]
        self.layers, self.head = nn.ModuleList(layers), nn.Linear(WIDTH, VOCAB)

    def forward(self, ids: Tensor) -> Tensor:
        """tokens[B, S] to logits[B, S, V]."""
        x = self.tokens(ids) + self.positions(torch.arange(ids.shape[1]))
        mask = torch.ones(ids.shape[1], ids.shape[1], dtype=torch.bool).triu(1)
        for layer in self.layers:
            x = layer(x, src_mask=mask)
        return self.head(x)


class TinyCnn(nn.Module):
    """Convolution, batch norm, ReLU and max pooling, twice, over images[B, 3, 16, 16]."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(*_stage(3, 8), *_stage(8, 16))
        self.head = nn.Linear(16 * 16, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        """images[B, 3, 16, 16] to logits[B, 10]."""
        return self.head(self.features(images).flatten(1))


def _stage(inputs: int, outputs: int) -> list[nn.Module]:
    conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    return [conv, nn.BatchNorm2d(outputs), nn.ReLU(), nn.MaxPool2d(2)]


def lm_batch(step: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Sequences that count up from a random start, and their next tokens."""
    random = torch.Generator().manual_seed(step)
    start = torch.randint(VOCAB, (8, 1), generator=random)
    ids = (start + torch.arange(LENGTH + 1)) % VOCAB
    return ids[:, :-1], ids[:, 1:]


def cnn_batch(step: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Noise around a pattern for each class."""
    random = torch.Generator().manual_seed(step)
    patterns = torch.randn(CLASSES, 3, 16, 16, generator=torch.Generator().manual_seed(99))
    labels = torch.randint(CLASSES, (8,), generator=random)
    return (patterns[labels] + torch.randn(8, 3, 16, 16, generator=random)).to(dtype), labels


Batch = Callable[[int, torch.dtype], tuple[Tensor, Tensor]]
MODELS: dict[str, tuple[type[nn.Module], Batch]] = {
    "tiny LM": (TinyLm, lm_batch),
    "CNN": (TinyCnn, cnn_batch),
}


OPTIMISERS: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "SGD": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9),
    "AdamW": lambda p: torch.optim.AdamW(p, lr=0.003, eps=1e-4),
}
"""AdamW's with a large epsilon: where a gradient is a rounding, g / |g| says nothing."""


@dataclass(frozen=True)
class Curves:
    """Losses of the same training."""

    ours: list[float]
    eager: list[list[float]]
    """In each order; the first is ours."""
    exact: list[float]
    seconds: float
    """Of ours, for each step after the first."""

    @property
    def distance(self) -> float:
        """The farthest that ours is from the exact curve."""
        return _farthest(self.ours, self.exact)

    @property
    def bound(self) -> float:
        """What is fair, by eager's own distances."""
        return fair(_farthest(curve, self.exact) for curve in self.eager)


def fair(distances: Iterable[float]) -> float:
    """How far ours may be from float64, where eager's runs are this far."""
    return FACTOR * max(distances) + FLOOR


def _farthest(one: list[float], other: list[float]) -> float:
    return max(_apart(one, other))


@dataclass(frozen=True)
class Way:
    """One way to train."""

    dtype: torch.dtype = torch.float32
    backend: str = ""
    order: int = 0

    def arranged(self, tensors: tuple[Tensor, Tensor]) -> tuple[Tensor, ...]:
        """The rows of a batch in this order."""
        count = len(tensors[0])
        random = torch.Generator().manual_seed(self.order)
        rows = torch.randperm(count, generator=random) if self.order else torch.arange(count)
        return tuple(t[rows] for t in tensors)

    def kernels(self) -> AbstractContextManager[Any]:
        """oneDNN's, and in every other order torch's own."""
        flags = cast(Any, torch.backends.mkldnn).flags
        return flags(enabled=False) if self.order % 2 else nullcontext()


def train(name: str, steps: int, optimiser: str = "SGD") -> Curves:
    """Train a model of `MODELS`."""
    make, batch = MODELS[name]
    torch.manual_seed(0)
    model = make()
    times: list[float] = []

    def run(way: Way, done: Callable[[], object] = lambda: None) -> list[float]:
        own = copy.deepcopy(model).to(way.dtype)
        with way.kernels():
            return _run(own, batch, OPTIMISERS[optimiser], steps, way, done)

    exact = run(Way(torch.float64))
    eager = [run(Way(order=order)) for order in range(ORDERS)]
    ours = run(Way(backend="neuronc"), lambda: times.append(time.perf_counter()))
    return Curves(ours, eager, exact, (times[-1] - times[0]) / max(len(times) - 1, 1))


def _run(
    model: nn.Module,
    batch: Batch,
    optimiser: Callable[[Any], torch.optim.Optimizer],
    steps: int,
    way: Way,
    done: Callable[[], object],
) -> list[float]:
    call = cast(Any, torch.compile(model, backend=way.backend) if way.backend else model)
    owner = optimiser(model.parameters())
    losses: list[float] = []
    for step in range(steps):
        inputs, labels = way.arranged(batch(step, way.dtype))
        loss = cross_entropy(call(inputs).flatten(0, -2), labels.flatten())
        owner.zero_grad()
        loss.backward()
        owner.step()
        losses.append(float(loss.detach()))
        done()
    return losses


def plot(found: Sequence[tuple[str, Curves]], path: Path) -> None:
    """Losses above; below, how far ours and eager's runs are from float64, and the bound."""
    import matplotlib as mpl

    mpl.rcParams["svg.hashsalt"] = "neuronc"
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(2, len(found), figsize=(4 * len(found), 5), squeeze=False)
    for (title, c), top, bottom in zip(found, panels[0], panels[1], strict=True):
        for losses in c.eager:
            bottom.plot(_apart(losses, c.exact), color="tab:gray", linewidth=0.6)
        bottom.plot(_apart(c.ours, c.exact), color="tab:blue", linewidth=1.2)
        bottom.axhline(c.bound, color="tab:red", linestyle="--")
        bottom.set_ylabel("distance from float64")
        bottom.set_xlabel("step")
        top.plot(c.eager[0], color="tab:gray", linewidth=3, label="eager")
        top.plot(c.ours, color="tab:blue", linewidth=1.2, label="neuronc")
        top.set_title(title)
        top.set_ylabel("loss")
        top.legend()
        for panel in (top, bottom):
            panel.set_yscale("log")
            panel.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def _apart(one: list[float], other: list[float]) -> list[float]:
    return [abs(a - b) for a, b in zip(one, other, strict=True)]


COLUMNS = (
    "| training | steps | loss, first | last | eager's last | distance | eager's | bound "
    "| ms a step |"
)


def main() -> None:
    """Print a row a training, and draw the curves."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--plot", type=Path, metavar="SVG")
    options = parser.parse_args()
    torch.set_num_threads(1)  # threads of two libraries in turns would wait for each other
    found: list[tuple[str, Curves]] = []
    print(COLUMNS)
    print("|---" * COLUMNS.count(" |") + "|")
    for title, name, optimiser in ((f"{n}, {o}", n, o) for n in MODELS for o in OPTIMISERS):
        c = train(name, options.steps, optimiser)
        found.append((title, c))
        own = [_farthest(curve, c.exact) for curve in c.eager]
        row = f"| {title} | {options.steps} | {c.ours[0]:.4f} | {c.ours[-1]:.6f} "
        row += f"| {c.eager[0][-1]:.6f} | {c.distance:.1e} | {min(own):.1e} to {max(own):.1e} "
        print(row + f"| {c.bound:.1e} | {1e3 * c.seconds:.1f} |", flush=True)
    if options.plot:
        plot(found, options.plot)


if __name__ == "__main__":
    main()
