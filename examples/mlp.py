"""A multi-layer perceptron, the smallest model worth compiling.

python examples/mlp.py -o /tmp/mlp --batch 32 --widths 784 256 10
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import jax
import numpy as np
from export import Example, command_line, export

Layer = dict[str, jax.Array]


def mlp(layers: Sequence[Layer], x: jax.Array) -> jax.Array:
    """Logits [B, classes] of x [B, features]: affine layers with ReLU in between."""
    for layer in layers[:-1]:
        x = jax.nn.relu(x @ layer["weight"] + layer["bias"])
    return x @ layers[-1]["weight"] + layers[-1]["bias"]


def model(batch: int = 32, widths: Sequence[int] = (784, 256, 10), seed: int = 0) -> Example:
    """The function and random arguments: layers, x [batch, widths[0]]."""
    random = np.random.default_rng(seed)

    def normal(*shape: int, scale: float = 1.0) -> np.ndarray:
        return scale * random.standard_normal(shape, np.float32)

    layers = [
        {"weight": normal(rows, columns, scale=(2 / rows) ** 0.5), "bias": normal(columns)}
        for rows, columns in pairwise(widths)
    ]
    return mlp, (layers, normal(batch, widths[0]))


def main() -> None:
    """Export the model."""
    parser = command_line(__doc__)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--widths", type=int, nargs="+", default=[784, 256, 10])
    options = parser.parse_args()
    export(*model(options.batch, options.widths, options.seed), options.output)


if __name__ == "__main__":
    main()
