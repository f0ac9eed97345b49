"""The models that benchmarks compile: each full-size one, and a `-small` variant of the same code.

`MODELS[name]()` makes the arguments, so a script only pays for the models it asks for.
`gpt2-xl` has shapes instead of weights: it is there to be compiled, not run.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))

import export
import gpt2
import lenet
import minilm
import mlp
import resnet18
import train_step


@dataclass(frozen=True)
class Model:
    """A function and arguments to call it with."""

    fn: export.Function
    args: tuple[object, ...]
    donate: tuple[int, ...] = ()
    """Positions of the arguments it may overwrite."""
    constants: bool = False
    """Whether its weights are part of `fn`."""

    def lower(self) -> jax.stages.Lowered:
        """The StableHLO module, as JAX holds it."""
        return export.lower(self.fn, self.args, self.donate)

    def arrays(self) -> list[NDArray[np.generic]]:
        """One array per parameter of the module."""
        return export.arrays(self.args)

    def run_jax(self) -> list[NDArray[np.generic]]:
        """The outputs by JAX on the CPU."""
        return export.run_jax(self.fn, self.args)


def make(example: Callable[[], export.Example], donate: tuple[int, ...] = ()) -> Model:
    """An example as a model."""
    return Model(*example(), donate)


def make_gpt2(
    size: str,
    program: str,
    sequence: int,
    *,
    dtype: str = "float32",
    constants: bool = False,
    seed: int | None = 0,
) -> Model:
    """One of GPT-2's programs; without a seed it has only the shapes of its arguments."""
    example = gpt2.model(gpt2.CONFIGS[size], program, sequence, jnp.dtype(dtype), seed)
    if constants:
        return Model(*gpt2.with_constants(example), constants=True)
    return Model(*example, gpt2.DONATE[program])


def gpt2_models(size: str, prefill: int, prompt: int) -> dict[str, Callable[[], Model]]:
    """Every program and variant of one size, for `prefill` tokens or a shorter `prompt`."""
    of_size = partial(make_gpt2, size)
    return {
        "gpt2-prefill": partial(of_size, "prefill", prefill),
        "gpt2-prefill-constants": partial(of_size, "prefill", prefill, constants=True),
        "gpt2-prefill-bf16": partial(of_size, "prefill", prefill, dtype="bfloat16"),
        "gpt2-decode": partial(of_size, "decode", prefill),
        "gpt2-generate": partial(of_size, "generate", prompt),
    }


def small_resnet(groups: int) -> Model:
    """A thin ResNet-18 on small images."""
    return make(partial(resnet18.model, resnet18.Config(8, groups, 10), image=32, batch=2))


SMALL_TRAINING = gpt2.Config(layers=1, width=32, heads=2, vocab=64, context=16)
RATE = 100.0
"""A learning rate at which the new weights are nearly all gradient, so that its errors show."""

FULL: dict[str, Callable[[], Model]] = {
    "mlp": partial(make, mlp.model),
    "lenet": partial(make, lenet.model),
    "resnet18": partial(make, resnet18.model),
    "resnet18-batch": partial(make, partial(resnet18.model, batch=8)),
    "resnet18-grouped": partial(make, partial(resnet18.model, resnet18.Config(groups=32))),
    **gpt2_models("124M", prefill=512, prompt=64),
    "minilm": partial(make, minilm.model),
    "minilm-batch": partial(make, partial(minilm.model, (minilm.SENTENCES * 32)[:32], 128)),
    "train-step": partial(make, partial(train_step.model, rate=RATE), train_step.DONATE),
}
SMALL: dict[str, Callable[[], Model]] = {
    "mlp-small": partial(make, partial(mlp.model, 4, (32, 16, 8))),
    "lenet-small": partial(make, partial(lenet.model, 1)),
    "resnet18-small": partial(small_resnet, 1),
    "resnet18-batch-small": partial(small_resnet, 1),
    "resnet18-grouped-small": partial(small_resnet, 2),
    **{f"{n}-small": make_ for n, make_ in gpt2_models("tiny", prefill=16, prompt=8).items()},
    "minilm-small": partial(make, partial(minilm.model, minilm.SENTENCES[:2], 12)),
    "minilm-batch-small": partial(make, partial(minilm.model, minilm.SENTENCES[:3], 12)),
    "train-step-small": partial(
        make, partial(train_step.model, SMALL_TRAINING, 2, RATE), train_step.DONATE
    ),
}


def make_training(config: gpt2.Config, sequence: int, batch: int = 1) -> Model:
    """A training step in bf16 that has only the shapes of its arguments."""
    weights = gpt2.make_weights(config, gpt2.Source(None, jnp.bfloat16))
    text = jax.ShapeDtypeStruct((batch, sequence), jnp.int32)
    step = partial(train_step.train_step, config, 0.1)
    return Model(step, (weights, text, text), train_step.DONATE)


def make_xl(layers: int) -> Model:
    """The prefill of a GPT-2 XL of another depth, with only the shapes of its arguments."""
    config = replace(gpt2.CONFIGS["XL"], layers=layers)
    return Model(*gpt2.model(config, "prefill", 512, jnp.dtype("float32"), None))


SHAPES: dict[str, Callable[[], Model]] = {
    "gpt2-xl-12": partial(make_xl, 12),
    "gpt2-xl": partial(make_gpt2, "XL", "prefill", 512, seed=None),
    "gpt2-124m": partial(make_gpt2, "124M", "prefill", 512, seed=None),
    "gpt2-xl-bf16": partial(make_gpt2, "XL", "prefill", 512, seed=None, dtype="bfloat16"),
    "gpt2-124m-bf16": partial(make_gpt2, "124M", "prefill", 512, seed=None, dtype="bfloat16"),
    "gpt2-xl-train": partial(make_training, gpt2.CONFIGS["XL"], 128),
}
MODELS: dict[str, Callable[[], Model]] = {**FULL, **SMALL, **SHAPES}


def relative_error(actual: Sequence[object], expected: Sequence[object]) -> float:
    """The worst output's largest difference, relative to that output's largest value."""

    def of_output(values: object, reference: object) -> float:
        x, y = np.asarray(values, np.float64), np.asarray(reference, np.float64)
        assert x.shape == y.shape, f"{x.shape} against {y.shape}"
        difference = float(np.abs(x - y).max(initial=0.0))
        largest = float(np.abs(y).max(initial=0.0))
        return 0.0 if difference == 0 else difference / largest if largest else float("inf")

    return max(of_output(*pair) for pair in zip(actual, expected, strict=True))
