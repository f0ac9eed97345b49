"""Put the plan and the kernels together into an artifact."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, ModuleOp, StringAttr
from xdsl.dialects.func import FuncOp
from xdsl.ir import Attribute

from neuronc.artifact.model import Artifact, Constant, Kernel, TensorInfo
from neuronc.backend.emit import Sources
from neuronc.backend.kernels import finish_kernel
from neuronc.backend.plan import Plan
from neuronc.dialects.stablehlo.params import decode
from neuronc.dialects.tile import KernelOp
from neuronc.dialects.types import element_type, shape_of
from neuronc.dtypes import BY_NUMPY
from neuronc.hardware import Generation


def assemble(module: ModuleOp, plan: Plan, hw: Generation, provenance: dict[str, str]) -> Artifact:
    """Emit every kernel of the module and wrap everything up."""
    sources = Sources()
    kernels: dict[str, Kernel] = {}
    for op in module.body.block.ops:
        if isinstance(op, KernelOp):
            kernel = finish_kernel(op, sources, hw)
            kernels[kernel.name] = kernel
    main = next(op for op in module.body.block.ops if isinstance(op, FuncOp))
    inputs, outputs = signature(main)
    return Artifact(
        target=hw.name,
        inputs=inputs,
        outputs=outputs,
        kernels=tuple(kernels[name] for name in plan.kernels),
        buffers=plan.buffers,
        temporary_bytes=plan.temporary_bytes,
        program=plan.steps,
        constants=tuple(_constant(array) for array in plan.constants),
        sources=tuple(sources.entries),
        provenance=provenance,
    )


def signature(main: FuncOp) -> tuple[tuple[TensorInfo, ...], tuple[TensorInfo, ...]]:
    """Names, shapes, types and donations of the entry function."""
    types = main.function_type
    inputs = _infos(list(types.inputs), main.arg_attrs, "arg")
    return inputs, _infos(list(types.outputs), main.res_attrs, "out")


def _infos(
    types: list[Attribute], attributes: ArrayAttr[DictionaryAttr] | None, prefix: str
) -> tuple[TensorInfo, ...]:
    out: list[TensorInfo] = []
    for i, kind in enumerate(types):
        given = _members(attributes, i)
        name, donated = given.get("neuronc.name"), given.get("neuronc.donated")
        out.append(
            TensorInfo(
                name.data if isinstance(name, StringAttr) else f"{prefix}{i}",
                shape_of(kind),
                element_type(kind).name,
                _number(donated),
            )
        )
    return tuple(out)


def _members(attributes: ArrayAttr[DictionaryAttr] | None, index: int) -> Mapping[str, Attribute]:
    return attributes.data[index].data if attributes is not None else {}


def _number(attribute: Attribute | None) -> int:
    value = decode(attribute) if attribute is not None else -1
    assert isinstance(value, int)
    return value


def _constant(array: np.ndarray) -> Constant:
    return Constant(array, BY_NUMPY[array.dtype].name, array.shape)
