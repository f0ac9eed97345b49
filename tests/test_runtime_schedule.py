"""Tasks of workers: proved like streams, by the race finder that knows nothing of them."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from neuronc.artifact.model import Kernel
from neuronc.dtypes import BY_NAME
from neuronc.hardware import TRN2
from neuronc.isa import instructions as isa
from neuronc.isa.operands import ELEMENT_BYTES, Memory, Operand
from neuronc.isa.records import Record
from neuronc.isa.table import ENGINES, Engine
from neuronc.numerics import FUNCTIONS
from neuronc.pipeline import compile_artifact
from neuronc.runtime import schedule
from neuronc.runtime.accesses import Room, accesses_of
from neuronc.runtime.bind import bind_kernel
from neuronc.runtime.clocks import clocks_of
from neuronc.runtime.memory import Core
from neuronc.runtime.nodes import node_of, spaces_of
from neuronc.runtime.order import legal_order
from neuronc.runtime.races import Race, find_race
from neuronc.runtime.schedule import Task, makespan, tasks
from neuronc.runtime.trial import Trial

F32, ADD = BY_NAME["f32"].code, FUNCTIONS["add"].code
WORKERS = 3
WAITS = np.dtype([("waits", "<u4", len(ENGINES))])


def spec(*shape: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def linear(x: jax.Array, w: jax.Array, b: jax.Array) -> jax.Array:
    return jax.nn.gelu(x @ w + b)


def normalise(x: jax.Array) -> jax.Array:
    return jax.nn.softmax(x, -1) * x.sum(-1, keepdims=True)


def convolve(x: jax.Array, w: jax.Array) -> jax.Array:
    return lax.conv_general_dilated(x, w, (1, 1), "SAME")


def scores(q: jax.Array, k: jax.Array) -> jax.Array:
    return jnp.einsum("thd,shd->hts", q, k).transpose(0, 2, 1) * 0.5


PROGRAMS = {
    "linear": (linear, spec(300, 300), spec(300, 1200), spec(1200)),
    "normalise": (normalise, spec(200, 60_000)),
    "convolve": (convolve, spec(2, 70, 30, 30), spec(60, 70, 3, 3)),
    "scores": (scores, spec(200, 4, 64), spec(200, 4, 64)),
}


def tasks_of(made: Kernel) -> list[Task]:
    """The tasks of a kernel whose records run as they stand."""
    bound = bind_kernel(made, Core.of(TRN2))
    spaces = spaces_of(made, rooms(made))
    nodes = [node_of(r, made, TRN2.partitions) for r in bound.records]
    return tasks(nodes, spaces)


def rooms(made: Kernel) -> list[Room]:
    """Buffers that share no bytes."""
    return [Room(i, 0, 1 << 28) for i in range(made.buffers)]


def on_host(places: np.ndarray) -> np.ndarray:
    """The same bytes as the host lays them out: what is on chip as buffers of their own."""
    out = places.copy()
    chip = places["memory"] != Memory.HBM
    tiles = places[chip]
    size = ELEMENT_BYTES[tiles["dtype"]]
    out["steps"][chip, 1:], out["counts"][chip, 1:] = tiles["steps"][:, :4], tiles["counts"][:, :4]
    out["steps"][chip, 0] = tiles["tile_bytes"] // size
    out["counts"][chip, 0] = tiles["partitions"]
    out["rank"][chip] += 1
    start = TRN2.partitions * tiles["tile_start"].astype(np.int64)
    start += tiles["partition_start"].astype(np.int64) * tiles["tile_bytes"]
    out["offset"][chip] += start
    out["buffer"][chip] = tiles["memory"] + np.uint16(1000)
    out["memory"] = Memory.HBM
    for name in ("partition_start", "partitions", "tile_start", "tile_bytes"):
        out[name] = 0
    return out


def race_between(made: Kernel, tasks_: list[Task], seed: int) -> Race | None:
    """A race between workers that take tasks at random, each taken for an engine.

    A worker's own order hides what a task should wait for, so that it takes several seeds.
    """
    order = legal_order(made.streams, made.name)
    chance = Random(seed)
    lists: list[list[tuple[int, tuple[tuple[int, int], ...]]]] = [[] for _ in range(WORKERS)]
    last: list[tuple[int, int]] = []
    for task in tasks_:
        worker = chance.randrange(WORKERS)
        waits = tuple(last[earlier] for earlier in task.before)
        lists[worker] += [(position, waits) for position in task.positions]
        last.append((worker, len(lists[worker])))
    lists = [items for items in lists if items]
    owner = {order[i[0]]: (w, n) for w, items in enumerate(lists) for n, i in enumerate(items)}
    streams: dict[Engine, np.ndarray] = {}
    for worker, items in enumerate(lists):
        streams[Engine(worker)] = np.zeros(len(items), WAITS)
        for number, (_, waits) in enumerate(items):
            for other, count in waits:
                needed = streams[Engine(worker)]["waits"][number]
                needed[other] = max(needed[other], count)
    accesses = accesses_of(made, rooms(made))
    records = zip(accesses.engine.tolist(), accesses.index.tolist(), strict=True)
    at = np.array([owner[Engine(e), i] for e, i in records], np.int64)
    accesses = replace(accesses, engine=at[:, 0], index=at[:, 1], places=on_host(accesses.places))
    return find_race(accesses, clocks_of(streams, legal_order(streams, made.name)))


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels are split whether it pays or not."""
    monkeypatch.setattr(schedule, "SMALL_SECONDS", 0.0)


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("name", PROGRAMS)
def test_tasks_wait_for_what_they_share(name: str) -> None:
    fn, *args = PROGRAMS[name]
    shared = 0
    for made in compile_artifact(jax.jit(fn).lower(*args)).kernels:
        found = tasks_of(made)
        shared += len(found) > 1
        for at, task in enumerate(found):
            assert task.positions == sorted(task.positions)
            assert all(earlier < at for earlier in task.before)
        assert all(race_between(made, found, seed) is None for seed in range(3))
    assert shared, "no kernel was split"


@pytest.mark.usefixtures("always")
def test_a_wait_that_is_dropped_is_a_race() -> None:
    fn, *args = PROGRAMS["scores"]
    made = compile_artifact(jax.jit(fn).lower(*args)).kernels[0]
    found = tasks_of(made)
    waiting = [at for at, task in enumerate(found) if task.before]
    at = waiting[len(waiting) // 2]
    found[at] = replace(found[at], before=[])
    assert any(race_between(made, found, seed) is not None for seed in range(20))


def test_no_task_waits_for_what_another_one_waits_for() -> None:
    """Each wait is a count that somebody has to keep."""
    made = schedule.Clusters()
    for position, before in enumerate([[], [0], [0, 1], [0, 1, 2]]):
        made.add(position, before, 1.0)
    assert [task.before for task in made.tasks] == [[], [0], [1], [2]]


def test_short_nodes_are_one_task_with_what_they_follow() -> None:
    made = schedule.Clusters()
    for position, before in enumerate([[], [0], [], [1, 2]]):
        made.add(position, before, 0.0)
    assert [task.positions for task in made.tasks] == [[0, 1, 2, 3]]


def test_two_workers_halve_what_is_independent() -> None:
    alone = [Task([i], [], 1.0) for i in range(6)]
    chain = [Task([i], [i - 1] if i else [], 1.0) for i in range(6)]
    assert makespan(alone, 2) == pytest.approx(3.0, rel=1e-4)
    assert makespan(chain, 2) == pytest.approx(6.0, rel=1e-4)


@pytest.mark.parametrize(("columns", "pays"), [(16, False), (512, True)])
def test_only_long_calls_are_sure_to_gain(columns: int, pays: bool) -> None:
    """Two workers share one interpreter, so that short calls, however many, gain little."""
    blocks = [Operand(Memory.SBUF, F32, 4 * n, (1,), (n,), 0, 0, 128) for n in (columns, columns)]
    tiles = [replace(b, tile_start=8192 * i, tile_bytes=8192) for i, b in enumerate(blocks)]
    copies = [
        Record(isa.TensorTensor(dst=tile, lhs=tile, rhs=tile, function=ADD), (), 0)
        for _ in range(4000)
        for tile in tiles
    ]
    kernel = Kernel("copies", 0, {})
    nodes = [node_of(copy, kernel, TRN2.partitions) for copy in copies]
    assert Trial.of(tasks(nodes, spaces_of(kernel, []))).is_sure == pays
