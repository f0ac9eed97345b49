"""Bring what a frame of a map kernel reads on chip, and what it made off.

load x[rows, C] one column wide, where x steps by 0 along C;  all that windows of x cover;  the
run that covers x, where its elements lie apart;  a resident's columns as they are;  an iota
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

from xdsl.ir import SSAValue

from neuronc.dialects.access import Affine
from neuronc.dtypes import ElementType
from neuronc.hardware import Generation
from neuronc.passes.body import Body
from neuronc.passes.builder import Builder
from neuronc.passes.cover import cover_of
from neuronc.passes.iteration import Load, Strided, Tile
from neuronc.passes.map_kernel import MapKernel
from neuronc.passes.map_windows import Covered, Walk
from neuronc.passes.mapping import ONE, WINDOWS, Frame, Kind, RowTile, narrowest, split
from neuronc.passes.operand import Ref, shape_pairs
from neuronc.passes.transfer import transfer, write_numbers


class Moves:
    """Moves parts of buffers for one kernel, frame by frame."""

    def __init__(self, kernel: MapKernel, body: Body, builder: Builder, hw: Generation) -> None:
        self._kernel, self._body, self._b, self._hw = kernel, body, builder, hw
        self.windows: dict[Load, Walk] = {}
        """How loads walk a partition of which all that they cover is loaded."""

    def load(
        self, key: Load, level: Kind, access: Strided, frame: Frame, tile: Tile
    ) -> tuple[Ref, Kind]:
        """Bring a buffer's part (or an iota) on chip, as narrow as its strides allow."""
        if key in self.windows:
            return self._cover(self.covered(key, tile), key, access, frame, tile), WINDOWS
        kind = narrowest(access, tile, level, len(self._kernel.space.reduced) > 0)
        if access.source is not None:
            there = self._window(access, self._body.buffers[access.source], kind, tile, frame)
            if there is not None:
                return there, kind
        ref = self._b.alloc(frame.partitions, frame.width(kind), key.element)
        if access.source is None:
            self._iota(ref, kind, access, tile, frame)
        else:
            buffer = self._body.buffers[access.source]
            self._bring(ref, kind, replace(access, source=buffer), key.element, tile, frame)
        return ref, kind

    def _bring(
        self, ref: Ref, kind: Kind, access: Strided, type_: ElementType, tile: Tile, frame: Frame
    ) -> None:
        """Load a block: as it lies, or the run that covers it."""
        step, free = split(access, tile, kind)
        cover = cover_of(free, frame.partitions, type_, self._hw)
        if cover is None:
            self._dma(ref, kind, access, tile, frame, store=False)
            return
        assert access.source is not None
        start = tile.offset(access.strides) + access.offset + cover.first
        whole = self._b.alloc(frame.partitions, cover.columns, type_)
        window = (access.source, start, step)
        lanes = (0, frame.partitions)
        transfer(self._b, whole, Affine(), lanes, window, ((1, cover.columns),), False)
        laid = ref[shape_pairs([n for _, n in cover.pairs])]
        self._b.cast(laid, whole.at(-cover.first, cover.pairs))

    def covered(self, key: Load, tile: Tile) -> Covered:
        """What the windows of a tile cover."""
        assert isinstance(tile, RowTile)
        inner = tile.columns | {tile.on_partitions}
        taken = tuple(n for d, n in enumerate(tile.counts) if d not in inner)
        return Covered(self.windows[key], taken)

    def _cover(self, covered: Covered, key: Load, access: Strided, frame: Frame, tile: Tile) -> Ref:
        """Bring all that some windows cover on chip."""
        assert access.source is not None
        step, _ = split(access, tile, ONE)
        buffer, base = self._body.buffers[access.source], tile.offset(access.strides)
        lanes, window = (0, frame.partitions), (buffer, base + access.offset, step)
        there = self._b.residents.window(buffer, window[1], lanes, step, covered.runs)
        if there is not None:
            return there
        ref = self._b.alloc(frame.partitions, covered.columns, key.element)
        transfer(self._b, ref, Affine(), lanes, window, covered.runs, store=False)
        return ref

    def _window(
        self, access: Strided, buffer: SSAValue, kind: Kind, tile: Tile, frame: Frame
    ) -> Ref | None:
        """The columns on chip that the access reads or writes, if its buffer resides."""
        step, free = split(access, tile, kind)
        if prod(n for _, n in free) != frame.width(kind):
            return None
        base = tile.offset(access.strides) + access.offset
        return self._b.residents.window(buffer, base, (0, frame.partitions), step, free)

    def _dma(
        self, ref: Ref, kind: Kind, access: Strided, tile: Tile, frame: Frame, store: bool
    ) -> None:
        assert access.source is not None
        step, free = split(access, tile, kind)
        window = (access.source, tile.offset(access.strides) + access.offset, step)
        transfer(self._b, ref, Affine(), (0, frame.partitions), window, free, store)

    def _iota(self, ref: Ref, kind: Kind, access: Strided, tile: Tile, frame: Frame) -> None:
        step, free = split(access, tile, kind)
        base = tile.offset(access.strides) + access.offset
        write_numbers(self._b, ref, (0, frame.partitions), base, step, free)

    def aim(self, frame: Frame, tile: Tile, stores: list[Strided], level: Kind) -> None:
        """Have results that reside computed right where they stay."""
        for (buffer, value), access in zip(self._kernel.outs(), stores, strict=True):
            if self._kernel.level(value) == level:
                there = self._window(access, buffer, level, tile, frame)
                if there is not None:
                    frame.targets[value] = there

    def store(self, frame: Frame, tile: Tile, stores: list[Strided], levels: set[Kind]) -> None:
        """Store the results of these levels that do not reside."""
        for (buffer, value), access in zip(self._kernel.outs(), stores, strict=True):
            if self._kernel.level(value) not in levels:
                continue
            ref, kind = frame.blocks[value]
            if ref is frame.targets.get(value):
                continue
            self._dma(ref, kind, replace(access, source=buffer), tile, frame, store=True)
