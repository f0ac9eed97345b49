"""The loops that are open while a kernel is written, and the tiles that they walk.

    tiles(300, 128)
  becomes
    for i in 2 { from 128 * i, 128 wide };  from 256, 44 wide

A loop's index is an `Affine` of its depth.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager

from xdsl.ir import Block, Operation

from neuronc.dialects.access import Affine
from neuronc.dialects.tile import ForOp


class Loops:
    """A kernel's body and the loops open in it; what is added lands in the innermost."""

    def __init__(self, body: Block) -> None:
        self._blocks = [body]
        self.counts: list[int] = []
        """How often each open loop runs, outermost first."""

    def add(self, op: Operation) -> None:
        """Put an op at the end of the innermost loop."""
        self._blocks[-1].add_op(op)

    @contextmanager
    def loop(self, count: int) -> Generator[Affine]:
        """Open a loop; what is appended inside runs `count` times."""
        block = Block()
        self.add(ForOp.make(count, block))
        self._blocks.append(block)
        self.counts.append(count)
        yield Affine(0, (0,) * (len(self.counts) - 1) + (1,))
        self.counts.pop()
        self._blocks.pop()

    def tiles(self, extent: int, tile: int) -> Iterator[tuple[Affine, int]]:
        """Cover `extent` by tiles: a rolled loop of whole ones, then the remainder."""
        full, rest = divmod(extent, tile)
        if full == 1:
            yield Affine(), tile
        elif full > 1:
            with self.loop(full) as i:
                yield i * tile, tile
        if rest:
            yield Affine(full * tile), rest

    def nest(
        self, sizes: Sequence[int], counts: Sequence[int]
    ) -> Iterator[tuple[tuple[Affine, ...], tuple[int, ...]]]:
        """`tiles` over several dimensions, outermost first."""
        if not sizes:
            yield (), ()
            return
        for start, count in self.tiles(sizes[0], counts[0]):
            for starts, rest in self.nest(sizes[1:], counts[1:]):
                yield (start, *starts), (count, *rest)
