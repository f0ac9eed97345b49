"""Training through `torch.compile`: whether the loss curve is that of eager torch.

    python benchmarks/torch_training.py --steps 100

Float32 rounds, so two correct programs part, and training makes the distance grow. How far is fair
is measured, not guessed: the same training in float64 stands for the exact curve, and eager's own
distance from it for what rounding does. Ours may be `FACTOR` times as far, plus `FLOOR`.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

FACTOR = 4
"""Sums in another order err independently: a few times eager's distance, seldom more."""
FLOOR = 4 * 2.0**-23
"""A loss of about 1 to 4 is itself rounded to float32; eager's distance may be zero by chance."""

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


@dataclass(frozen=True)
class Curves:
    """Losses of the same training three ways."""

    ours: list[float]
    eager: list[float]
    exact: list[float]
    seconds: float
    """Of ours, for each step after the first."""

    @property
    def distance(self) -> float:
        """The farthest that ours is from the exact curve."""
        return _farthest(self.ours, self.exact)

    @property
    def bound(self) -> float:
        """What is fair, by eager's own distance."""
        return FACTOR * _farthest(self.eager, self.exact) + FLOOR


def _farthest(one: list[float], other: list[float]) -> float:
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


def train(name: str, steps: int) -> Curves:
    """Train a model of `MODELS` with SGD and momentum."""
    make, batch = MODELS[name]
    torch.manual_seed(0)
    model = make()
    exact = _run(copy.deepcopy(model).double(), batch, steps, torch.float64)
    eager = _run(copy.deepcopy(model), batch, steps, torch.float32)
    start = time.perf_counter()
    times: list[float] = []
    ours = _run(
        model, batch, steps, torch.float32, "neuronc", lambda: times.append(time.perf_counter())
    )
    assert start < times[0]
    seconds = (times[-1] - times[0]) / max(len(times) - 1, 1)
    return Curves(ours, eager, exact, seconds)


def _run(
    model: nn.Module,
    batch: Batch,
    steps: int,
    dtype: torch.dtype,
    backend: str = "",
    done: Callable[[], object] = lambda: None,
) -> list[float]:
    call = cast(Any, torch.compile(model, backend=backend) if backend else model)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    losses: list[float] = []
    for step in range(steps):
        inputs, labels = batch(step, dtype)
        loss = cross_entropy(call(inputs).flatten(0, -2), labels.flatten())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
        done()
    return losses


def main() -> None:
    """Print a row a model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--steps", type=int, default=100)
    steps = parser.parse_args().steps
    print("| model | steps | loss, first | last | eager's last | distance | bound | ms a step |")
    print("|---|---|---|---|---|---|---|---|")
    for name in MODELS:
        c = train(name, steps)
        row = f"| {name} | {steps} | {c.ours[0]:.4f} | {c.ours[-1]:.6f} | {c.eager[-1]:.6f} "
        print(row + f"| {c.distance:.1e} | {c.bound:.1e} | {1e3 * c.seconds:.1f} |")


if __name__ == "__main__":
    main()
