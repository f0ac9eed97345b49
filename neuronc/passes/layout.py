"""How a value that stays in SBUF lies there, and what a window of its buffer is on chip.

A value is a row-major matrix [rows, columns]. By rows, element (r, c) is on partition r % P, in
column (r // P) * columns + c; across, element (r, c) is on partition c % P, in column
(c // P) * rows + r, which is how a matmul wants the operand whose columns it contracts.

Kernels say what they read in elements of the row-major buffer, affine in their loops. Here that
becomes partitions and columns, where each loop moves either along a row or by whole blocks of
partitions; None says that it does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from neuronc.dialects.access import Access, Affine


@dataclass(frozen=True)
class Layout:
    """A matrix [rows, columns] over `lanes` partitions, its rows or (`across`) columns on them."""

    rows: int
    columns: int
    lanes: int
    across: bool = False

    @property
    def partitions(self) -> int:
        """Partitions the block takes."""
        return min(self.lanes, self.columns if self.across else self.rows)

    @property
    def block_columns(self) -> int:
        """Columns the block takes in each partition."""
        spread, kept = (self.columns, self.rows) if self.across else (self.rows, self.columns)
        return -(-spread // self.lanes) * kept

    def access(
        self,
        base: Affine,
        lanes: tuple[int, int],
        step: int,
        free: Sequence[tuple[int, int]],
        loops: Sequence[int],
    ) -> Access | None:
        """Where a window of the buffer lies: elements base + p * step + the free pairs.

        `lanes` is (partition start, count), `loops` how often each open loop runs.
        """
        first, count = lanes
        if count > 1 and step != (1 if self.across else self.columns):
            return None
        start = self._split(base.constant)
        moves = [self._split(c) for c in base.coefficients]
        walks = [self._split(s) for s, _ in free]
        runs = [*zip(moves, loops, strict=False), *zip(walks, (n for _, n in free), strict=True)]
        if not self._stays_inside(start, runs, count):
            return None
        spread, kept = self._parts(start)
        if spread % self.lanes != first or any(self._parts(m)[0] % self.lanes for m, _ in runs):
            return None
        offset = Affine(
            self._column(spread - first, kept), tuple(self._column(*self._parts(m)) for m in moves)
        )
        pairs = tuple(
            (self._column(*self._parts(w)), n) for w, (_, n) in zip(walks, free, strict=True)
        )
        return Access(offset, pairs, first, count)

    def _split(self, elements: int) -> tuple[int, int]:
        """(rows, columns) that a distance in elements is, backwards if it is negative."""
        rows, columns = divmod(abs(elements), self.columns)
        return (rows, columns) if elements >= 0 else (-rows, -columns)

    def _parts(self, move: tuple[int, int]) -> tuple[int, int]:
        """The move over the partitions, and along what each of them keeps."""
        return (move[1], move[0]) if self.across else move

    def _column(self, spread: int, kept: int) -> int:
        return spread // self.lanes * (self.rows if self.across else self.columns) + kept

    def _stays_inside(
        self, start: tuple[int, int], runs: Sequence[tuple[tuple[int, int], int]], lanes: int
    ) -> bool:
        """Whether no row is left by stepping along it: then (r, c) add up without a carry."""
        first_column, last_column = (
            start[1] + sum(bound(c, 0) * (n - 1) for (_, c), n in runs) for bound in (min, max)
        )
        last_row = start[0] + sum(r * (n - 1) for (r, _), n in runs)
        last_row += 0 if self.across else lanes - 1
        last_column += lanes - 1 if self.across else 0
        forward = all(rows >= 0 for (rows, _), _ in runs) and first_column >= 0
        return forward and last_row < self.rows and last_column < self.columns


def print_layout(layout: Layout | None) -> str:
    """A layout as attributes hold it: `rows 512x768`, `across 512x768`, or '' for HBM."""
    if layout is None:
        return ""
    return f"{'across' if layout.across else 'rows'} {layout.rows}x{layout.columns}"


def parse_layout(text: str, lanes: int) -> Layout | None:
    """Read what `print_layout` writes."""
    if not text:
        return None
    kind, size = text.split()
    rows, columns = map(int, size.split("x"))
    return Layout(rows, columns, lanes, kind == "across")
