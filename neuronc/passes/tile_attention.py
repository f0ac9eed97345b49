"""Tile an attention: scores stay in PSUM, weights in SBUF, and only the result goes to HBM.

    for each head { load and transpose k, v, q
      for each 128 queries, for each chunk of keys {
        psum = q.T @ k;  m' = max(m, max(psum));  p = exp(psum - m'), its sum on the way
        p.T by the tensor engine;  psum = p.T.T @ v
        acc = acc * exp(m - m') + psum;  sum = sum * exp(m - m') + sum(p) }
      store acc / sum }

Keys and values of a head lie on chip for all the queries that share them. The steps (a tile of
queries, a chunk of keys) form a pipeline of stages that every engine's queue holds in the same
order: scores of step t + 5, weights of step t + 4, their transpose of step t + 2, products with
values of step t + 1, the sum of step t. Arithmetic
between the contractions is float32 whatever the types of the program.
"""

from __future__ import annotations

from itertools import product
from math import prod

from xdsl.ir import Operation

from neuronc.dialects.access import Affine
from neuronc.hardware import Generation
from neuronc.passes.attention import Attention
from neuronc.passes.attention_beside import Block
from neuronc.passes.attention_plan import STEPS_TOGETHER, Plan
from neuronc.passes.attention_space import BATCH, Space
from neuronc.passes.body import Body, element, location
from neuronc.passes.builder import Builder
from neuronc.passes.tile_attention_buffers import Buffers, Step, steps_of
from neuronc.passes.tile_attention_load import Head, Loader
from neuronc.passes.tile_attention_scores import Scores
from neuronc.passes.tile_attention_softmax import Softmax
from neuronc.passes.tile_attention_turn import Turner


class AttentionLowering:
    """Emits one attention kernel."""

    def __init__(
        self, body: Body, builder: Builder, hw: Generation, found: tuple[Attention, Space, Plan]
    ) -> None:
        self._body, self._b = body, builder
        self._it, self._space, self._plan = found
        kind = element(self._it.value.operands[0])
        kinds = (element(self._it.score.operands[0]), kind)
        self._load = Loader(body, builder, hw, self._space, self._plan, kinds)
        self._scores = Scores(body, builder, hw, self._space, self._it, self._plan)
        kinds = (kind, element(body.yielded[0]))
        self._buffers = Buffers(builder, hw, self._space, self._plan, kinds)
        self._softmax = Softmax(builder, self._buffers, self._it.safe)
        self._turner = Turner(builder, hw, self._plan, self._buffers, kind)
        self._heads: list[Head] = []

    def run(self) -> None:
        """Emit the whole kernel: heads outermost, in one pipeline where they are few and short."""
        self._locate(self._it.score)
        self._scores.prepare()
        sizes = self._space.extents(BATCH)
        if prod(sizes) * sum(len(t.chunks) for t in self._plan.tiles) <= STEPS_TOGETHER:
            batches = [tuple(Affine(i) for i in at) for at in product(*map(range, sizes))]
            self._pipeline(batches)
            return
        for batch, _ in self._b.nest(sizes, [1] * len(sizes)):
            self._pipeline([batch])

    def _pipeline(self, batches: list[tuple[Affine, ...]]) -> None:
        """Emit the stages of neighbouring steps together, so that no engine waits for another.

        What an engine does in one iteration, another made ready in the one before; of the vector
        engine the maxima come first, because the exponentials of the same iteration wait for them.
        """
        self._heads = [self._bring(batches[0])]
        self._load.turn(self._heads[0], self._buffers.turning)
        steps = steps_of(self._plan, len(batches))
        for at in range(len(steps) + 5):
            combined, added, turned, _, weighed, scored = (
                steps[i] if 0 <= i < len(steps) else None for i in range(at - 5, at + 1)
            )
            if weighed is not None:
                self._weigh(weighed)
            if scored is not None:
                self._score(scored)
            if combined is not None:
                self._combine(combined)
            if turned is not None:
                self._turner.turn(turned)
            if added is not None:
                self._add(added)
            if scored is not None:
                self._prepare(scored, steps, batches)

    def _prepare(self, step: Step, steps: list[Step], batches: list[tuple[Affine, ...]]) -> None:
        """Load the next head with the first step of this one, and transpose it with the last."""
        following = step.head + 1
        if following == len(batches):
            return
        if len(self._heads) == following:
            self._heads.append(self._bring(batches[following]))
        if steps[step.number + 1].head == following:
            self._locate(self._it.score)
            self._load.turn(self._heads[following], self._buffers.turning)

    def _bring(self, batch: tuple[Affine, ...]) -> Head:
        self._locate(self._it.score)
        return self._load.load(batch)

    def _score(self, step: Step) -> None:
        """The scores of a chunk."""
        self._locate(self._it.score)
        psum = self._buffers.scores(step)
        self._load.multiply(self._heads[step.head], psum, step.tile, step.chunk)

    def _weigh(self, step: Step) -> None:
        """The exponentials of what the ops between the contractions make of the scores."""
        batch, count = self._heads[step.head].batch, step.chunk.count
        scores = Block(self._buffers.scores(step), count, step.tile.size)
        block, scale = self._scores.emit(scores, batch, step.tile, step.chunk)
        self._softmax.weigh(step, block.of((), count), scale)

    def _add(self, step: Step) -> None:
        """The weighted values of a chunk."""
        rows, psum = step.tile.size, self._buffers.result(step)
        self._locate(self._it.value)
        turned = self._buffers.turned(step)
        for i, k in enumerate(range(0, step.chunk.count, self._plan.key_tile)):
            count = min(self._plan.key_tile, step.chunk.count - k)
            values = self._load.values(self._heads[step.head], step.chunk.start + k, count)
            stationary = turned.at(i * rows, ((1, rows),), 0, count)
            self._b.matmul(psum, stationary, values, () if i == 0 else None)

    def _combine(self, step: Step) -> None:
        """Add a chunk to what is summed so far; the last one divides and stores."""
        self._locate(self._it.value)
        sums = self._softmax.combine(step)
        if step.last:
            out, batch = self._softmax.divide(step, sums), self._heads[step.head].batch
            self._load.store(out, step.tile, batch, self._body.outputs[0])

    def _locate(self, op: Operation) -> None:
        self._b.loc, self._b.source = location(op), op.name
