"""The cost model against measurements: published schedules, rebuilt and priced.

`python benchmarks/calibration.py` prints the table of docs/performance.md. Rows are those of the
hardware reference, 7.1, whose schedule is described; times were measured by others on real chips.
"""

from __future__ import annotations

from dataclasses import dataclass

from schedules import Mamba, Matmul, Schedule, dependent_activations

from neuronc.hardware import GENERATIONS

_SHAPE = (4096, 8192, 8192)


@dataclass(frozen=True)
class Row:
    """One measurement."""

    number: int
    name: str
    target: str
    milliseconds: float
    schedule: Matmul | Mamba | None
    """None is row 16, a chain of activations."""

    def build(self) -> Schedule:
        """The schedule as records."""
        hw = GENERATIONS[self.target]
        if self.schedule is None:
            return dependent_activations(hw, _CHAIN)
        return self.schedule.schedule(hw)


_CHAIN = 1000


def _matmul(dtype: str, order: str, block: tuple[int, int, int], wide: bool = False) -> Matmul:
    return Matmul(*_SHAPE, dtype, order, block, wide)


_TILED = ("mnk", (1, 1, 1))
_HOISTED = ("mnk", (1, 64, 1))
_BLOCKED = ("mnk", (2, 64, 2))
_BLOCKED_K = ("nkm", (16, 8, 2), True)

ROWS = (
    Row(2, "matmul bf16, tiled", "trn1", 51.80, _matmul("bf16", *_TILED)),
    Row(2, "matmul bf16, hoisted (optimization 1)", "trn1", 42.96, _matmul("bf16", *_HOISTED)),
    Row(2, "matmul bf16, blocked 2 x 2 (2)", "trn1", 22.07, _matmul("bf16", *_BLOCKED)),
    Row(1, "matmul bf16, blocked 16 x 2 x 8 (3)", "trn1", 6.97, _matmul("bf16", *_BLOCKED_K)),
    Row(3, "matmul f32, tiled (v2)", "trn2", 39.9, _matmul("f32", *_TILED)),
    Row(4, "matmul f32, hoisted (v3)", "trn2", 28.2, _matmul("f32", *_HOISTED)),
    Row(5, "matmul f32, blocked (v4)", "trn2", 28.4, _matmul("f32", *_BLOCKED)),
    Row(5, "matmul f32, blocked (v5)", "trn2", 28.30, _matmul("f32", *_BLOCKED_K)),
    Row(9, "Mamba v1, 256 channels", "trn1", 0.17293, Mamba(256, 512, reload=True)),
    Row(10, "Mamba v1, 4,096 channels", "trn1", 2.34, Mamba(4096, 512, reload=True)),
    Row(10, "Mamba v2, 4,096 channels", "trn1", 1.61, Mamba(4096, 512)),
    Row(11, "Mamba v3, 8,192 tokens", "trn1", 27.8, Mamba(4096, 8192)),
    Row(16, "1,000 dependent activations", "trn1", 189e-6 * _CHAIN, None),
)


def main() -> None:
    """Price every row and print the table."""
    print("| row | schedule | target | measured, ms | modelled, ms | error |")
    print("|---|---|---|---|---|---|")
    errors: list[float] = []
    for row in ROWS:
        found = row.build().timeline().seconds * 1e3
        errors.append(found / row.milliseconds - 1)
        cells = f"| {row.number} | {row.name} | {row.target} | {row.milliseconds:.4g}"
        print(f"{cells} | {found:.4g} | {errors[-1]:+.1%} |", flush=True)
    print(f"\nmean absolute error {sum(map(abs, errors)) / len(errors):.1%}")


if __name__ == "__main__":
    main()
