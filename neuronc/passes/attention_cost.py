"""What attention costs where a row of scores is one chunk: a head at a time, or several at once.

Both forms do the same for a tile of queries, so one table of a step prices them: what each engine
is busy for, and how long it holds a bank of PSUM, of which there are two. A form takes as long as
its busiest engine, or as long as banks are held, or as the loads that nothing hides.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from neuronc.hardware import Generation
from neuronc.isa.table import Engine
from neuronc.passes.attention import Attention
from neuronc.passes.attention_beside import Group
from neuronc.passes.attention_plan import (
    STEPS_TOGETHER,
    Plan,
    RowTile,
    bank_columns,
    parts_of,
    scale_of,
)
from neuronc.passes.attention_space import BATCH, DEPTH, KEYS, ROWS, WIDTH, Space
from neuronc.passes.body import element
from neuronc.passes.iteration import merge_pairs
from neuronc.passes.prices import (
    activation_seconds,
    copy_seconds,
    dma_seconds,
    matmul_seconds,
    near_pair_seconds,
    pair_seconds,
    reduce_seconds,
    select_seconds,
    transpose_seconds,
)

STAGES = 5
"""Steps of the form that takes a head at a time, between the scores and the result of one."""
BANKS = 2
"""Banks of scores, of results and of transposes: while one is held, the next step has the other."""


@dataclass(frozen=True)
class Busy:
    """Seconds of each engine; what the vector or the scalar engine copies, as each would."""

    tensor: float = 0.0
    vector: float = 0.0
    scalar: float = 0.0
    copies: float = 0.0

    def __add__(self, other: Busy) -> Busy:
        """One after the other."""
        return Busy(
            self.tensor + other.tensor,
            self.vector + other.vector,
            self.scalar + other.scalar,
            self.copies + other.copies,
        )

    @property
    def seconds(self) -> float:
        """The busiest engine, where the copies go to whoever has time for them."""
        either = (self.vector + self.scalar + self.copies) / 2
        return max(self.tensor, self.vector, self.scalar, either)


class Cost:
    """Prices of one attention."""

    def __init__(self, space: Space, it: Attention, plan: Plan, hw: Generation) -> None:
        self._space, self._it, self._plan, self._hw = space, it, plan, hw
        self._bytes = element(it.score.operands[0]).bytes
        self._bank = bank_columns(element(it.value.operands[0]), hw)
        self._depth, self._width = space.extent(DEPTH), space.extent(WIDTH)
        self._batch = space.extents(BATCH)
        self._wait = {
            "tensor": hw.fixed_overhead_cycles / hw.tensor_hz,
            "vector": hw.fixed_overhead_cycles / hw.vector_hz,
            "scalar": hw.scalar_overhead_cycles / hw.scalar_hz,
        }

    def several(self, group: Group) -> float:
        """All heads, some at once."""
        heads, many = prod(group.counts), prod(self._batch)
        busy, held = self._run(heads, group.together)
        boxes = _boxes(self._batch, group.loaded)
        runs = boxes * _boxes(group.loaded, group.counts)
        load = self._load_seconds(group.loaded)
        bound = max(busy.seconds * many / heads, runs * held / BANKS, boxes * load)
        return bound + self._first_seconds() + load + held

    def one_by_one(self) -> float:
        """All heads, a head at a time: the next one is loaded while one is worked on."""
        single = (1,) * len(self._batch)
        many = prod(self._batch)
        busy, held = self._run(1, together=False)
        load, first = self._load_seconds(single), self._first_seconds()
        tiles = len(self._plan.tiles)
        if many * tiles <= STEPS_TOGETHER:
            each = max(busy.seconds, held / STAGES)
        else:
            # Only the tiles of one head overlap.
            each = (busy.seconds * (tiles - 1) + held) / tiles
        return many * max(each, load, first) + first + held / tiles

    def _run(self, heads: int, together: bool) -> tuple[Busy, float]:
        """All tiles of queries of some heads: what engines do, and how long banks are held."""
        busy = self._turn(heads)
        held = busy.tensor + busy.copies + self._wait["tensor"] + self._wait["vector"]
        for tile in self._plan.tiles:
            more, longer = self._step(tile, heads, together)
            busy, held = busy + more, held + longer
        return busy, held

    def _turn(self, heads: int) -> Busy:
        """Transposes of queries and keys."""
        hw, at_once = self._hw, heads_together(self._depth, heads, self._hw)
        tensor = copies = 0.0
        rows = [t.size for t in self._plan.tiles]
        keys = [n for _, n in parts_of(self._space.extent(KEYS), hw.partitions)]
        for _, lanes in parts_of(self._depth, hw.partitions):
            each = [transpose_seconds(n, lanes * at_once, self._bytes, hw) for n in (*rows, *keys)]
            tensor += heads // at_once * sum(each)
            copies += self._copy(heads // at_once * (sum(rows) + sum(keys)))
        return Busy(tensor=tensor, copies=copies)

    def _copy(self, columns: int) -> float:
        """Transposes out of their banks."""
        whole, rest = divmod(columns, self._bank)
        sizes = [self._bank] * whole + [rest] * (rest > 0)
        return sum(
            copy_seconds(n, self._bytes, self._bytes, Engine.VECTOR, self._hw) for n in sizes
        )

    def _step(self, tile: RowTile, heads: int, together: bool) -> tuple[Busy, float]:
        """One tile of queries of some heads."""
        hw, wait = self._hw, self._wait
        (chunk,), rows = tile.chunks, tile.size
        parts = parts_of(chunk.count, self._plan.key_tile)
        depths = len(parts_of(self._depth, hw.partitions))
        score = heads * depths * matmul_seconds(chunk.count, self._bytes, hw, rows)
        turn = heads * sum(transpose_seconds(rows, n, self._bytes, hw) for _, n in parts)
        add = heads * len(parts) * matmul_seconds(self._width, self._bytes, hw, rows)
        chain, ops = self._chain(heads * chunk.count)
        maxima, few = reduce_seconds(heads * chunk.count, hw), reduce_seconds(heads, hw)
        inverse = reduce_seconds(heads * hw.vector_reciprocal_cycles, hw)
        divide = near_pair_seconds(heads * self._width, hw)
        shift, scalar, sums = self._exponentials(heads, chunk.count, together)
        copies = len(parts) * self._copy(heads * rows)
        vector = chain + maxima + few + shift + sums + inverse + divide
        ops += 3 if together else 2
        weights = chain + maxima + few + shift + ops * wait["vector"] + scalar + wait["scalar"]
        scores = score + wait["tensor"] + weights
        turned = (turn + copies) / len(parts) + wait["tensor"] + wait["vector"]
        results = add + inverse + divide + wait["tensor"] + 2 * wait["vector"]
        held = scores + turned * len(parts) + results
        return Busy(score + turn + add, vector, scalar, copies), held

    def _exponentials(self, heads: int, keys: int, together: bool) -> tuple[float, float, float]:
        """Subtracting the maxima beforehand, the exponentials, and summing them afterwards."""
        hw, columns = self._hw, heads * keys
        if not together:
            return 0.0, heads * activation_seconds(keys, self._bytes, hw, summed=True), 0.0
        exponentials = activation_seconds(columns, self._bytes, hw)
        return near_pair_seconds(columns, hw), exponentials, reduce_seconds(columns, hw)

    def _chain(self, columns: int) -> tuple[float, int]:
        """What happens to the scores before the softmax, and in how many instructions."""
        ops = [op for op in self._it.chain if scale_of(op) is None]
        hidden = sum(op in self._it.visible for op in ops)
        others = len(ops) - hidden
        seconds = hidden * select_seconds(columns, self._hw)
        if others:
            # The first reads scores in PSUM, the others what that left in SBUF.
            seconds += near_pair_seconds(columns, self._hw)
            seconds += (others - 1) * pair_seconds(columns, 4, self._hw)
        return seconds, len(ops)

    def _load_seconds(self, box: tuple[int, ...]) -> float:
        """Bringing a box of heads; a mask or bias is the same for all forms."""
        tiles = [t.size for t in self._plan.tiles]
        keys = [n for _, n in parts_of(self._space.extent(KEYS), self._hw.partitions)]
        return (
            self._access_seconds("q", ROWS, DEPTH, tiles, box)
            + self._access_seconds("k", KEYS, DEPTH, keys, box)
            + self._access_seconds("v", KEYS, WIDTH, keys, box)
        )

    def _access_seconds(
        self, key: str, group: int, inner: int, tiles: list[int], box: tuple[int, ...]
    ) -> float:
        space, hw = self._space, self._hw
        heads = zip(space.strides(key, BATCH), box, strict=True)
        pairs = merge_pairs((*heads, (space.stride(key, inner), space.extent(inner))))
        run = pairs[-1][1] if pairs and pairs[-1][0] == 1 else 1
        runs = prod(n for _, n in pairs) // run
        return sum(dma_seconds(n, runs, run, self._bytes, hw) for n in tiles)

    def _first_seconds(self) -> float:
        """From the start of a load to its transposes' copy."""
        hw = self._hw
        load = hw.dma_start_seconds + hw.dma_transfer_min_seconds + hw.dma_done_seconds
        return load + self._wait["tensor"] + self._wait["vector"]


def heads_together(depth: int, count: int, hw: Generation) -> int:
    """How many heads one transpose takes: their depths on the partitions, evenly."""
    if depth % hw.array_tile:
        return 1
    fitting = (n for n in range(1, count + 1) if not count % n and n * depth <= hw.partitions)
    return max(fitting, default=1)


def _boxes(sizes: tuple[int, ...] | list[int], box: tuple[int, ...]) -> int:
    """How many boxes cover so many heads."""
    return prod(-(-n // b) for n, b in zip(sizes, box, strict=True))
