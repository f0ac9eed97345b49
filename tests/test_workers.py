"""Workers change when records run, never what they compute."""

import gc
import threading
import weakref

import jax
import numpy as np
import pytest

import neuronc
from neuronc.hardware import GENERATIONS
from neuronc.runtime import schedule
from neuronc.runtime.accesses import Room
from neuronc.runtime.bind import bind_kernel
from neuronc.runtime.memory import Core
from neuronc.runtime.nodes import node_of, spaces_of
from neuronc.runtime.program import Program
from neuronc.runtime.schedule import tasks
from neuronc.runtime.trial import Trial


def _attention_block(x, w, bias):
    """Contractions, a softmax and an epilogue: chains that workers can share."""
    h = jax.nn.gelu(x @ w + bias)
    scores = jax.nn.softmax(h @ h.T * 0.1, axis=-1)
    return scores @ h, h.sum(0)


@pytest.fixture(autouse=True)
def _always(monkeypatch):
    """Kernels are shared whether it pays or not."""
    monkeypatch.setattr(schedule, "SMALL_SECONDS", 0.0)
    monkeypatch.setattr(Trial, "is_shared", True)


@pytest.fixture(scope="module")
def compiled():
    rng = np.random.default_rng(0)
    args = tuple(
        rng.standard_normal(s).astype(np.float32) for s in ((384, 256), (256, 640), (640,))
    )
    return neuronc.compile(jax.jit(_attention_block).lower(*args)), args


@pytest.mark.parametrize("workers", [2, 3, 5])
def test_the_bits_do_not_depend_on_the_number_of_workers(compiled, workers):
    artifact, args = compiled
    alone = Program(artifact.model, workers=1)(*args)
    team = Program(artifact.model, workers=workers)
    for _ in range(5):
        for got, want in zip(team(*args), alone, strict=True):
            assert got.tobytes() == want.tobytes()


def test_a_long_kernel_is_shared_and_every_record_runs_once(compiled):
    artifact, _ = compiled
    core = Core.of(GENERATIONS["trn2"])
    count = 0
    for kernel in artifact.model.kernels:
        bound = bind_kernel(kernel, core, literal=True)
        spaces = spaces_of(kernel, [Room(i, 0, 1 << 28) for i in range(kernel.buffers)])
        nodes = [node_of(record, kernel, core.partitions) for record in bound.records]
        found = tasks(nodes, spaces)
        count += len(found) > 1
        positions = sorted(position for task in found for position in task.positions)
        assert positions == list(range(len(bound.records)))
    assert count


def test_a_failing_record_is_reported_and_does_not_hang_the_others(compiled):
    artifact, args = compiled
    program = Program(artifact.model, workers=2)
    program(*args)
    bound = [site.calls.tasks for site in program._steps.sites if site.calls]
    tasks = next(made for made in bound if len(made.calls) > 1)

    def fail():
        raise FloatingPointError("broken on purpose")

    for calls in tasks.calls[:: len(tasks.calls) // 5]:
        calls.insert(0, fail)
        with pytest.raises(FloatingPointError, match="broken on purpose"):
            program(*args)
        calls.pop(0)
        assert np.isfinite(program(*args)[0]).all()


def test_a_program_that_is_dropped_leaves_neither_threads_nor_memory(compiled):
    artifact, args = compiled
    before = set(threading.enumerate())
    program = Program(artifact.model, workers=3)
    program(*args)
    started = set(threading.enumerate()) - before
    assert len(started) == 2
    memory = weakref.ref(program._steps._core.sbuf)
    del program
    gc.collect()
    for thread in started:
        thread.join(10)
        assert not thread.is_alive()
    assert memory() is None
