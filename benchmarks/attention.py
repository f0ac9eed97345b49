"""What attention takes on the target: modelled latency, MFU, and HBM bytes against compulsory.

    python benchmarks/attention.py                 every shape on every chip, about a minute
    python benchmarks/attention.py --target trn2   one chip

FLOPs are 4 S S D a head, half of them where the mask is causal; MFU is relative to the tensor
engine's peak of one core. Compulsory bytes are q, k, v and the result once. `bound` is the engine
that is busy longest, and the share of the latency for which it is.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false
# Parts of jax are not annotated.

from __future__ import annotations

import argparse
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from rich.console import Console
from rich.table import Table

import neuronc
from neuronc.artifact.model import Artifact
from neuronc.hardware import GENERATIONS, Generation
from neuronc.timeline.simulate import simulate


@dataclass(frozen=True)
class Shape:
    """[1, S, heads, D] queries, keys and values in bf16."""

    name: str
    heads: int
    sequence: int
    depth: int
    causal: bool

    @property
    def flops(self) -> float:
        """What the two contractions need."""
        whole = 4 * self.heads * self.sequence**2 * self.depth
        return whole / 2 if self.causal else whole

    @property
    def compulsory_bytes(self) -> int:
        """Three operands and the result, in bf16."""
        return 4 * 2 * self.heads * self.sequence * self.depth

    def compile(self, target: str) -> neuronc.Compiled:
        """JAX's own attention of this shape."""
        operand = jax.ShapeDtypeStruct((1, self.sequence, self.heads, self.depth), jnp.bfloat16)

        def attention(q: jax.Array, k: jax.Array, v: jax.Array) -> jax.Array:
            return jax.nn.dot_product_attention(q, k, v, is_causal=self.causal)

        return neuronc.compile(jax.jit(attention).lower(operand, operand, operand), target=target)


SHAPES = (
    Shape("S=4096 D=128", 8, 4096, 128, causal=False),
    Shape("S=4096 D=128 causal", 8, 4096, 128, causal=True),
    Shape("GPT-2 124M, S=1024 causal", 12, 1024, 64, causal=True),
    Shape("GPT-2 XL, S=1024 causal", 25, 1024, 64, causal=True),
)


def peak(hw: Generation) -> float:
    """FLOPs a second of the tensor engine in bf16."""
    return 2 * hw.partitions * hw.stationary_columns_max * hw.tensor_hz


def bound(artifact: Artifact, hw: Generation) -> str:
    """The engine that is busy longest."""
    (kernel,) = artifact.kernels
    timeline = simulate(kernel.streams, hw)
    busy = {engine: float(t.busy.sum()) for engine, t in timeline.tracks.items()}
    longest = max(busy, key=busy.__getitem__)
    return f"{longest.name.lower()} {100 * busy[longest] / timeline.seconds:.0f} %"


def row(shape: Shape, target: str) -> list[str]:
    """One line of the table."""
    hw, compiled = GENERATIONS[target], shape.compile(target)
    report = compiled.report
    return [
        shape.name,
        target,
        f"{report.seconds * 1e6:.0f}",
        f"{100 * shape.flops / report.seconds / peak(hw):.1f} %",
        bound(compiled.model, hw),
        f"{report.hbm_moved_bytes / shape.compulsory_bytes:.2f}",
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", choices=sorted(GENERATIONS), action="append")
    targets = parser.parse_args().target or ["trn1", "trn2", "trn3"]
    table = Table("attention", "chip", "us", "MFU", "busiest", "HBM / compulsory")
    for shape in SHAPES:
        for target in targets:
            table.add_row(*row(shape, target))
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
