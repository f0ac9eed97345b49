"""A plain interpreter of the stablehlo dialect on the runtime library: one entry per op.

Only for tests: it shows that the library means what the specification says, without the compiler.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Operation, SSAValue

from neuronc.dialects.types import element_type, shape_of
from neuronc.numerics.casting import Array
from neuronc.passes.regions import library_params
from neuronc.runtime.library import LIBRARY, ResultType

Environment = dict[SSAValue, list[Array]]


def run(module: ModuleOp, inputs: Sequence[Array]) -> list[Array]:
    """Run `@main` of a module."""
    function = next(iter(module.body.block.ops))
    return _block(function.regions[0].blocks[0], [[x] for x in inputs], {})


def _block(block: Block, arguments: Sequence[list[Array]], outer: Environment) -> list[Array]:
    values = dict(outer)
    values.update(zip(block.args, arguments, strict=True))
    for op in block.ops:
        operands = [x for v in op.operands for x in values[v]]
        if op is block.last_op:
            return operands
        for result, value in zip(op.results, _execute(op, operands, values), strict=True):
            values[result] = [value]
    raise AssertionError("a block ends with a terminator")


def _execute(op: Operation, operands: list[Array], values: Environment) -> list[Array]:
    name = op.name.partition(".")[2]
    blocks = [region.blocks[0] for region in op.regions]
    if name == "constant":
        return [op.attributes["value"].array]
    if name == "if":
        return _block(blocks[0 if operands[0] else 1], [], values)
    if name == "case":
        index = int(operands[0])
        return _block(blocks[index if 0 <= index < len(blocks) else -1], [], values)
    if name == "while":
        while _block(blocks[0], [[x] for x in operands], values)[0]:
            operands = _block(blocks[1], [[x] for x in operands], values)
        return operands
    types = [ResultType(shape_of(r), element_type(r.type).numpy) for r in op.results]
    results = LIBRARY[name](library_params(op), operands, types)
    for got, want in zip(results, types, strict=True):
        assert got.shape == want.shape, (op.name, got.shape, want.shape)
        assert got.dtype == want.dtype, (op.name, got.dtype, want.dtype)
    return [np.asarray(x) for x in results]
