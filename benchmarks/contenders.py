"""A model as each of the runtimes that benchmarks compare runs it."""

# pyright: reportUnknownMemberType=false
# Parts of jax are not annotated.

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import iree_tools
import jax
import numpy as np
from models import Model, export
from numpy.typing import NDArray

import neuronc


@dataclass(frozen=True)
class Contender:
    """A program to time: `call(prepare())`, of which only the call counts."""

    prepare: Callable[[], Sequence[object]]
    call: Callable[[Sequence[object]], object]
    arrays: Callable[[object], Sequence[object]]
    """What a call returned, as one array per output of the module."""

    def first(self) -> tuple[float, Sequence[object]]:
        """The time of the first call, and its outputs."""
        args = self.prepare()
        start = time.perf_counter()
        results = self.call(args)
        seconds = time.perf_counter() - start
        return seconds, [np.array(array) for array in self.arrays(results)]

    def seconds(self) -> tuple[float, float]:
        """The time of one call: by the clock, and of all threads together."""
        args = self.prepare()
        start, worked = time.perf_counter(), time.process_time()
        self.call(args)
        return time.perf_counter() - start, time.process_time() - worked


def fresh(model: Model, copy: Callable[[object], object]) -> list[object]:
    """The arguments, copied where a call may overwrite them."""
    return [
        jax.tree.map(copy, arg) if n in model.donate else arg for n, arg in enumerate(model.args)
    ]


def copy_on_device(leaf: object) -> object:
    """A JAX array of its own."""
    return jax.numpy.array(leaf)


def wait(results: object) -> object:
    """Return `results` when JAX has computed all of them."""
    return cast("object", jax.block_until_ready(results))


def jax_contender(model: Model) -> Contender:
    """`jax.jit`, with its arguments on the device."""
    jitted = cast("Callable[..., object]", jax.jit(model.fn, donate_argnums=model.donate))
    placed = replace(model, args=tuple(jax.device_put(arg) for arg in model.args))

    def prepare() -> Sequence[object]:
        args = fresh(placed, copy_on_device)
        wait(args)
        return args

    return Contender(prepare, lambda args: wait(jitted(*args)), export.arrays)


def neuronc_contender(model: Model, target: str) -> Contender:
    """The artifact, loaded; what it may overwrite is bound, as JAX's lies on the device."""
    program = neuronc.load(neuronc.compile(model.lower(), target=target))
    given = model.arrays()
    inputs = program.signature.inputs
    donated = {n: np.array(given[n]) for n, info in enumerate(inputs) if info.donated >= 0}
    program.bind({**donated})
    free = [array for n, array in enumerate(given) if n not in donated]

    def prepare() -> Sequence[object]:
        for n, array in donated.items():
            np.copyto(array, given[n])
        return free

    def call(args: Sequence[object]) -> object:
        return program(*cast("Sequence[NDArray[np.generic]]", args))

    return Contender(prepare, call, lambda results: cast("Sequence[object]", results))


def iree_contender(model: Model, directory: Path) -> Contender | None:
    """IREE's module for the cores of this machine, with its arguments on the device.

    It gets nothing donated: what the others update in place it returns as new arrays. None, and a
    message, where IREE cannot compile the model.
    """
    module = directory / "model.mlir"
    export.write_module(model.lower(), module)
    compiled = module.with_suffix(".vmfb")
    line = iree_tools.compile_line(module, compiled)
    done = subprocess.run(line, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        errors = [text for text in done.stderr.splitlines() if "error:" in text]
        print(f"IREE is left out: {errors[0][:200] if errors else done.stderr}", file=sys.stderr)
        return None
    place, main = iree_tools.load(compiled, workers=os.cpu_count() or 1)
    args = [place(array) for array in model.arrays()]
    return Contender(lambda: args, lambda args: main(*args), iree_tools.to_hosts)
