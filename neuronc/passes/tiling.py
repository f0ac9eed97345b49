"""How one contraction is cut: a `Tiling`, the answer of the search and the plan of the lowering."""

from __future__ import annotations

from dataclasses import dataclass

from neuronc.passes.contraction import COLUMNS, ROWS

ALL = 1 << 20
"""More tiles than there are."""
_NAMES = {ROWS: "rows", COLUMNS: "columns"}


@dataclass(frozen=True)
class Tiling:
    """How one contraction is cut; counts are of tiles."""

    transposed: bool
    """The result's columns lie on the partitions, not its rows."""
    outer: int
    """The class of dimensions of the operand that is outermost: ROWS or COLUMNS."""
    outer_tiles: int
    inner_tiles: int
    outer_held: bool
    inner_held: bool
    stationary_group: int
    moving_group: int
    chunk: int
    lanes: int = 0
    """Dimensions of K on the partitions where windows are read from what they cover; 0: not so."""

    def __str__(self) -> str:
        """Render for the printed IR."""
        inner = ROWS + COLUMNS - self.outer
        sides = [
            f"{where} {_NAMES[group]} x{'all' if tiles == ALL else tiles} "
            f"{'held' if held else 'streamed'}"
            for where, group, tiles, held in (
                ("outer", self.outer, self.outer_tiles, self.outer_held),
                ("inner", inner, self.inner_tiles, self.inner_held),
            )
        ]
        lanes = "columns" if self.transposed else "rows"
        psum = f"psum {self.stationary_group}x{self.moving_group}"
        windows = f", windows with {self.lanes} of K on partitions" if self.lanes else ""
        return f"{lanes} on partitions, {', '.join(sides)}, {psum}, chunk {self.chunk}{windows}"
