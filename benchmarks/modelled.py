"""Modelled time of contractions: the artifact's own records, on the target's timeline.

Beside each: the tensor engine's least time for its multiply-adds, the DMA engines' for the
compulsory bytes (operands and result once), and the share of the larger of the two. Every row is
also run with smaller extents of the same structure, under `--check`, against float64.

    python benchmarks/modelled.py
"""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter

import ml_dtypes
import numpy as np

import neuronc
from neuronc.hardware import GENERATIONS
from neuronc.runtime.program import Program

BYTES = {"f32": 4, "bf16": 2}


@dataclass(frozen=True)
class Row:
    """[m, k] x [k, n]; `left` is how the first operand lies in HBM."""

    name: str
    m: int
    k: int
    n: int
    kind: str = "bf16"
    target: str = "trn2"
    left: str = "mk"

    def text(self, m: int, k: int, n: int) -> str:
        """The program, for any extents."""
        size = {"m": m, "k": k}
        x = "x".join(str(size[c]) for c in self.left) + f"x{self.kind}"
        w, y = f"{k}x{n}x{self.kind}", f"{m}x{n}x{self.kind}"
        return f"""
        func.func @main(%x: tensor<{x}>, %w: tensor<{w}>) -> tensor<{y}> {{
          %y = stablehlo.dot_general %x, %w, contracting_dims = [{self.left.index("k")}] x [0]
            : (tensor<{x}>, tensor<{w}>) -> tensor<{y}>
          return %y : tensor<{y}>
        }}"""

    def bound_seconds(self) -> tuple[float, float]:
        """(tensor engine, DMA)."""
        hw = GENERATIONS[self.target]
        passes = hw.matmul_fp32_passes if self.kind == "f32" else 1
        rows = hw.partitions * hw.stationary_columns_max
        tensor = self.m * self.k * self.n * passes / rows / hw.tensor_hz
        elements = self.m * self.k + self.k * self.n + self.m * self.n
        return tensor, elements * BYTES[self.kind] / hw.dma_bytes_per_second


GPT2 = {"qkv": (768, 2304), "proj": (768, 768), "up": (768, 3072), "down": (3072, 768)}
ROWS = (
    Row("square, lhs row-major", 2048, 2048, 2048),
    Row("square, lhs transposed", 2048, 2048, 2048, left="km"),
    Row("tutorial, lhs row-major", 4096, 8192, 8192, target="trn1"),
    Row("tutorial, lhs transposed", 4096, 8192, 8192, target="trn1", left="km"),
    *(
        Row(f"GPT-2 {name}", m, k, n, kind)
        for m in (512, 1)
        for kind in ("bf16", "f32")
        for name, (k, n) in GPT2.items()
    ),
)


def error(row: Row) -> float:
    """The largest error of a smaller contraction, relative to the largest result."""
    m, k, n = (extent if extent <= 768 else 256 + extent // 16 for extent in (row.m, row.k, row.n))
    dtype = np.dtype(np.float32) if row.kind == "f32" else np.dtype(ml_dtypes.bfloat16)
    rng = np.random.default_rng(0)
    shape = (m, k) if row.left == "mk" else (k, m)
    x, w = (rng.standard_normal(s).astype(dtype) for s in (shape, (k, n)))
    model = neuronc.compile(row.text(m, k, n), row.target).model
    (out,) = Program(model, check=True)(x, w)
    wide = np.einsum(f"{row.left},kn->mn", x.astype(np.float64), w.astype(np.float64))
    return float(abs(out.astype(np.float64) - wide).max() / abs(wide).max())


def main() -> None:
    """Print the table."""
    print("| contraction | type | target | modelled | tensor | DMA | share | compile | error |")
    print("|---|---|---|---|---|---|---|---|---|")
    for row in ROWS:
        start = perf_counter()
        seconds = neuronc.compile(row.text(row.m, row.k, row.n), row.target).report.seconds
        took = perf_counter() - start
        tensor, dma = row.bound_seconds()
        print(
            f"| {row.name} [{row.m}, {row.k}] x [{row.k}, {row.n}] | {row.kind} | {row.target} "
            f"| {seconds * 1e6:,.1f} us | {tensor * 1e6:,.1f} | {dma * 1e6:,.1f} "
            f"| {max(tensor, dma) / seconds:.0%} | {took:.2f} s | {error(row):.1e} |"
        )


if __name__ == "__main__":
    main()
