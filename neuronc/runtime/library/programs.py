"""Regions at run time: closed expression programs, evaluated for all lanes at once.

    {"arguments": n,
     "steps": [{"op": "add", "operands": [0, 1], "params": {}, "results": [[[], "f32"]]}, ...],
     "results": [id, ...]}

Values are numbered: arguments first, then the results of each step. A constant is a step with
`value`. A region of scalars is evaluated on arrays, one element per lane; a region that does more
than elementwise work on scalars is run lane by lane.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from neuronc.dtypes import BY_NAME
from neuronc.numerics import REDUCTIONS, cast
from neuronc.numerics.casting import Array
from neuronc.runtime.library.elementwise import ELEMENTWISE
from neuronc.runtime.library.registry import LIBRARY, Params, ResultType

_SCALAR_COPIES = frozenset(("reshape", "broadcast_in_dim", "optimization_barrier"))


@dataclass(frozen=True)
class Step:
    """One operation of a program."""

    op: str
    operands: tuple[int, ...]
    params: Params
    results: tuple[ResultType, ...]
    value: Array | None

    @property
    def is_lanewise(self) -> bool:
        """Whether it may be applied to all lanes at once."""
        scalar = all(result.shape == () for result in self.results)
        known = self.value is not None or self.op in ELEMENTWISE or self.op in _SCALAR_COPIES
        return scalar and known

    def run(self, operands: Sequence[Array]) -> list[Array]:
        """Apply to scalars or lanes."""
        if self.value is not None:
            return [self.value]
        if self.op in _SCALAR_COPIES and self.is_lanewise:
            return list(operands)
        return LIBRARY[self.op](self.params, operands, self.results)


@dataclass(frozen=True)
class Program:
    """A region without captures."""

    arguments: int
    steps: tuple[Step, ...]
    results: tuple[int, ...]

    @cached_property
    def is_lanewise(self) -> bool:
        """Whether every step may be applied to all lanes at once."""
        return all(step.is_lanewise for step in self.steps)

    @cached_property
    def reduction(self) -> str | None:
        """The name in REDUCTIONS when the program is that one function of its two arguments."""
        if self.arguments != 2 or len(self.steps) != 1 or self.results != (2,):
            return None
        step = self.steps[0]
        known = step.op in REDUCTIONS and sorted(step.operands) == [0, 1]
        return step.op if known else None

    @cached_property
    def chosen(self) -> tuple[int, ...] | None:
        """Which arguments are returned when the program does nothing else."""
        return None if any(r >= self.arguments for r in self.results) else self.results

    def run(self, arguments: Sequence[Array]) -> list[Array]:
        """Evaluate for all lanes; every result has the lanes' shape."""
        lanes = np.broadcast_shapes(*(a.shape for a in arguments))
        if self.is_lanewise:
            return [np.broadcast_to(r, lanes) for r in self._once(arguments)]
        wide = [np.broadcast_to(a, lanes) for a in arguments]
        rows = [self._once([np.asarray(a[lane]) for a in wide]) for lane in np.ndindex(lanes)]
        return [np.stack(column).reshape(lanes) for column in zip(*rows, strict=True)]

    def _once(self, arguments: Sequence[Array]) -> list[Array]:
        values = list(arguments)
        for step in self.steps:
            values.extend(step.run([values[i] for i in step.operands]))
        return [values[i] for i in self.results]


def decode(program: Mapping[str, Any]) -> Program:
    """Read a program from its JSON form."""
    steps = tuple(_decode_step(step) for step in program["steps"])
    return Program(int(program["arguments"]), steps, tuple(program["results"]))


def regions(params: Params) -> list[Program]:
    """Return the programs of an op's regions."""
    return [decode(program) for program in params["regions"]]


def _decode_step(step: Mapping[str, Any]) -> Step:
    results = tuple(
        ResultType(tuple(shape), BY_NAME[element].numpy) for shape, element in step["results"]
    )
    value = step.get("value")
    constant = None if value is None else _constant(value, results[0])
    return Step(step["op"], tuple(step["operands"]), step.get("params", {}), results, constant)


def _constant(value: Any, result: ResultType) -> Array:
    """A constant from nested lists; complex numbers are [real, imaginary] pairs."""
    if result.dtype.kind == "c":
        parts = np.asarray(value, np.float64)
        value = parts[..., 0] + 1j * parts[..., 1]
    return cast(_exact(value, result.dtype), result.dtype).reshape(result.shape)


def _exact(value: Any, dtype: np.dtype[Any]) -> Array:
    """The JSON numbers in the widest NumPy type of the same kind."""
    kind = dtype.kind
    if kind in "biu":
        return np.asarray(value, dtype)
    return np.asarray(value, np.float64)
