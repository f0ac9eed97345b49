"""The frontend's one function: a program of any kind becomes a module of the stablehlo dialect.

    read -> normalise -> check -> convert

The result holds one function `@main` and only operations that `neuronc ops` lists, with static
shapes, without calls, and with the user's source lines.
"""

from __future__ import annotations

from collections.abc import Callable

from jaxlib.mlir import ir
from xdsl.dialects.builtin import ModuleOp

from neuronc.frontend.check import check
from neuronc.frontend.convert import convert
from neuronc.frontend.given import Shapes
from neuronc.frontend.locations import Locations
from neuronc.frontend.normalise import normalise
from neuronc.frontend.source import Source, read_program

Conversion = Callable[[ir.Operation, Locations], ModuleOp]
"""From the function `@main` in MLIR, and its source lines."""


def load_module(
    source: Source,
    *,
    name: str = "<string>",
    refine: Shapes | None = None,
    convert: Conversion = convert,
) -> ModuleOp:
    """Load a program from a path, its bytes or text, or `jax.jit(f).lower(...)`.

    `name` is what messages call a source without a file name; `refine` gives static shapes to
    arguments with dynamic ones.
    """
    program = read_program(source, name)
    entry = normalise(program, refine or {})
    locations = Locations(program.name)
    check(entry, locations, program.name)
    return convert(entry, locations)
