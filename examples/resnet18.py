"""ResNet-18 for inference, batch norm folded into the convolutions, channels first (NCHW).

    python examples/resnet18.py -o /tmp/resnet18
    python examples/resnet18.py -o /tmp/resnext18 --groups 32
    python examples/resnet18.py -o /tmp/small --image 32 --width 8 --classes 10 --batch 2

`--groups` splits the 3x3 convolutions of every block into groups, as ResNeXt does; with as many
groups as `--width` those of the first stage are depthwise.
"""

# pyright: reportUnknownMemberType=false
# Parts of jax are not annotated.

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from export import Example, command_line, export
from jax import lax

Weights = dict[str, jax.Array]
Arrays = dict[str, np.ndarray]

BLOCKS_PER_STAGE = 2
STAGES = 4


@dataclass(frozen=True)
class Config:
    """What differs between members of the family."""

    width: int = 64
    """Channels of the first stage; every further stage doubles them."""
    groups: int = 1
    classes: int = 1000

    def channels(self, stage: int) -> int:
        """Channels of a stage, the first being 0."""
        return self.width << stage


def convolve(
    weights: Weights, name: str, x: jax.Array, stride: int = 1, groups: int = 1
) -> jax.Array:
    """Convolve x [B, in, H, W], padded by k // 2, with weight [out, in / groups, k, k]."""
    weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
    pad = weight.shape[2] // 2
    y = lax.conv_general_dilated(
        x,
        weight,
        window_strides=(stride, stride),
        padding=((pad, pad), (pad, pad)),
        dimension_numbers=("NCHW", "OIHW", "NCHW"),
        feature_group_count=groups,
    )
    return y + bias[:, None, None]


def max_pool(x: jax.Array) -> jax.Array:
    """Maximum over 3x3 windows of x [B, C, H, W], stride 2, padded by 1."""
    padding = ((0, 0), (0, 0), (1, 1), (1, 1))
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, 3, 3), (1, 1, 2, 2), padding)


def block(config: Config, weights: Weights, name: str, x: jax.Array, stride: int) -> jax.Array:
    """Two 3x3 convolutions, and the input added back, projected where its shape changes."""
    y = jax.nn.relu(convolve(weights, f"{name}.conv1", x, stride, config.groups))
    y = convolve(weights, f"{name}.conv2", y, 1, config.groups)
    if f"{name}.downsample.weight" in weights:
        x = convolve(weights, f"{name}.downsample", x, stride)
    return jax.nn.relu(x + y)


def resnet18(config: Config, weights: Weights, images: jax.Array) -> jax.Array:
    """Logits [B, classes] of images [B, 3, H, W]."""
    x = jax.nn.relu(convolve(weights, "conv1", images, 2))
    x = max_pool(x)
    for stage in range(STAGES):
        for index in range(BLOCKS_PER_STAGE):
            stride = 2 if stage > 0 and index == 0 else 1
            x = block(config, weights, f"layer{stage + 1}.{index}", x, stride)
    x = jnp.mean(x, axis=(2, 3))
    return x @ weights["fc.weight"].T + weights["fc.bias"]


def fold_batch_norm(
    weight: np.ndarray, scale: np.ndarray, shift: np.ndarray, mean: np.ndarray, var: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Weight and bias of the convolution that equals convolution, then batch norm."""
    factor = scale / np.sqrt(var + 1e-5)
    return weight * factor[:, None, None, None], shift - mean * factor


def random_convolution(
    random: np.random.Generator, shape: tuple[int, ...]
) -> tuple[np.ndarray, ...]:
    """A convolution with a random batch norm folded in."""
    out = shape[0]
    weight = random.standard_normal(shape, np.float32) * np.sqrt(2 / np.prod(shape[1:]))
    scale = random.uniform(0.5, 1.0, out)
    shift, mean = random.normal(0, 0.1, (2, out))
    folded = fold_batch_norm(weight, scale, shift, mean, random.uniform(0.5, 1.5, out))
    return tuple(array.astype(np.float32) for array in folded)


def convolution_shapes(config: Config) -> dict[str, tuple[int, ...]]:
    """Weight shape [out, in / groups, k, k] of every convolution, by name."""
    shapes: dict[str, tuple[int, ...]] = {"conv1": (config.width, 3, 7, 7)}
    inputs = config.width
    for stage in range(STAGES):
        out = config.channels(stage)
        for index in range(BLOCKS_PER_STAGE):
            name = f"layer{stage + 1}.{index}"
            shapes[f"{name}.conv1"] = (out, inputs // config.groups, 3, 3)
            shapes[f"{name}.conv2"] = (out, out // config.groups, 3, 3)
            if inputs != out:
                shapes[f"{name}.downsample"] = (out, inputs, 1, 1)
            inputs = out
    return shapes


def random_weights(config: Config, seed: int = 0) -> Arrays:
    """Random weights, named as in torchvision but for the folded batch norms."""
    random = np.random.default_rng(seed)
    weights: Arrays = {}
    for name, shape in convolution_shapes(config).items():
        weights[f"{name}.weight"], weights[f"{name}.bias"] = random_convolution(random, shape)
    features = config.channels(STAGES - 1)
    dense = random.standard_normal((config.classes, features), np.float32)
    weights["fc.weight"] = dense * np.float32(features**-0.5)
    weights["fc.bias"] = 0.1 * random.standard_normal(config.classes, np.float32)
    return weights


def model(config: Config | None = None, image: int = 224, batch: int = 1, seed: int = 0) -> Example:
    """The function and random arguments: weights, images [batch, 3, image, image]."""
    config = config or Config()
    random = np.random.default_rng(seed + 1)
    images = random.standard_normal((batch, 3, image, image), np.float32)
    return partial(resnet18, config), (random_weights(config, seed), images)


def main() -> None:
    """Export the model."""
    parser = command_line(__doc__)
    parser.add_argument("--image", type=int, default=224, help="height and width")
    parser.add_argument("--width", type=int, default=64, help="channels of the first stage")
    parser.add_argument("--groups", type=int, default=1, help="of the 3x3 convolutions")
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=1)
    options = parser.parse_args()
    config = Config(options.width, options.groups, options.classes)
    export(*model(config, options.image, options.batch, options.seed), options.output)


if __name__ == "__main__":
    main()
