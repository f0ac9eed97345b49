"""LeNet-5 on 28x28 images: convolutions and average pooling, channels last (NHWC).

python examples/lenet.py -o /tmp/lenet --batch 8
"""

# pyright: reportUnknownMemberType=false
# Parts of jax are not annotated.

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from export import Example, command_line, export
from jax import lax

Weights = dict[str, jax.Array]

SHAPES = {
    "conv1": (5, 5, 1, 6),
    "conv2": (5, 5, 6, 16),
    "dense1": (400, 120),
    "dense2": (120, 84),
    "dense3": (84, 10),
}


def convolve(x: jax.Array, kernel: jax.Array, padding: str) -> jax.Array:
    """Convolve x [B, H, W, in] with kernel [h, w, in, out]."""
    return lax.conv_general_dilated(
        x, kernel, (1, 1), padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def average_pool(x: jax.Array) -> jax.Array:
    """Mean over 2x2 windows of x [B, H, W, C]."""
    window = (1, 2, 2, 1)
    return lax.reduce_window(x, 0.0, lax.add, window, window, "VALID") / 4


def lenet(weights: Weights, images: jax.Array) -> jax.Array:
    """Class probabilities [B, 10] of images [B, 28, 28, 1]."""
    x = jnp.tanh(convolve(images, weights["conv1"], "SAME") + weights["conv1.bias"])
    x = average_pool(x)
    x = jnp.tanh(convolve(x, weights["conv2"], "VALID") + weights["conv2.bias"])
    x = average_pool(x).reshape(x.shape[0], -1)
    x = jnp.tanh(x @ weights["dense1"] + weights["dense1.bias"])
    x = jnp.tanh(x @ weights["dense2"] + weights["dense2.bias"])
    return jax.nn.softmax(x @ weights["dense3"] + weights["dense3.bias"])


def model(batch: int = 8, seed: int = 0) -> Example:
    """The function and random arguments: weights, images [batch, 28, 28, 1]."""
    random = np.random.default_rng(seed)
    weights: dict[str, np.ndarray] = {}
    for name, shape in SHAPES.items():
        scale = float(np.prod(shape[:-1])) ** -0.5
        weights[name] = scale * random.standard_normal(shape, np.float32)
        weights[f"{name}.bias"] = 0.1 * random.standard_normal(shape[-1:], np.float32)
    return lenet, (weights, random.standard_normal((batch, 28, 28, 1), np.float32))


def main() -> None:
    """Export the model."""
    parser = command_line(__doc__)
    parser.add_argument("--batch", type=int, default=8)
    options = parser.parse_args()
    export(*model(options.batch, options.seed), options.output)


if __name__ == "__main__":
    main()
