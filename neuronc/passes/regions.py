"""Regions that are applied to elements, as expression programs for the runtime library.

    ^bb0(%a: tensor<f32>, %b: tensor<f32>):       {"arguments": 2,
      %0 = stablehlo.add %a, %b : tensor<f32>  ->  "steps": [{"op": "add", "operands": [0, 1],
      stablehlo.return %0 : tensor<f32>             "params": {}, "results": [[[], "f32"]]}],
                                                   "results": [2]}

The result is JSON-able; neuronc/runtime/library/programs.py evaluates it. The frontend has made
the region closed: it uses no value from outside.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from xdsl.ir import Operation, Region, SSAValue

from neuronc.dialects.stablehlo.base import location
from neuronc.dialects.stablehlo.constant import ConstantOp
from neuronc.dialects.stablehlo.params import params
from neuronc.dialects.stablehlo.weight import Weight
from neuronc.dialects.types import element_type, shape_of
from neuronc.errors import UnsupportedError
from neuronc.numerics.casting import is_numpys

Json: TypeAlias = dict[str, Any]

_CONTROL = frozenset(("stablehlo.if", "stablehlo.case", "stablehlo.while"))


def encode_region(region: Region) -> Json:
    """Return the expression program of a region of one block."""
    block = region.blocks[0]
    ids: dict[SSAValue, int] = {argument: i for i, argument in enumerate(block.args)}
    steps: list[Json] = []
    *body, last = block.ops
    for op in body:
        steps.append(_encode_op(op, ids))
        for result in op.results:
            ids[result] = len(ids)
    return {
        "arguments": len(block.args),
        "steps": steps,
        "results": [ids[value] for value in last.operands],
    }


def library_params(op: Operation) -> Json:
    """Return what the library is handed for an op: its parameters and its regions' programs."""
    encoded: Json = dict(params(op))
    if op.regions:
        encoded["regions"] = [encode_region(region) for region in op.regions]
    return encoded


def _encode_op(op: Operation, ids: dict[SSAValue, int]) -> Json:
    if op.name in _CONTROL:
        what = f"{op.name} inside a region that is applied to elements"
        hint = "compute both sides and use stablehlo.select"
        raise UnsupportedError(location(op), f"{what} is not supported", hint, code="NRC-0211")
    step: Json = {
        "op": op.name.partition(".")[2],
        "operands": [ids[operand] for operand in op.operands],
        "params": library_params(op),
        "results": [[list(shape_of(r)), element_type(r.type).name] for r in op.results],
    }
    if isinstance(op, ConstantOp):
        step["value"] = _encode_array(op)
    return step


def _encode_array(op: Operation) -> object:
    """A constant as nested lists; complex numbers as [real, imaginary]."""
    weight = op.attributes["value"]
    assert isinstance(weight, Weight)
    array: NDArray[Any] = weight.array
    if array.dtype.kind == "c":
        parts = np.ascontiguousarray(array).view(f"f{array.dtype.itemsize // 2}")
        return parts.reshape(*array.shape, 2).tolist()
    wide = array if is_numpys(array.dtype) else array.astype(np.float64)
    return wide.tolist()
