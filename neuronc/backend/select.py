"""Choose for every tile op the instruction and the engine that runs it.

    tile.map "add" %dst, %x, %column   (column walked with step 0)
  becomes
    machine.issue "TensorScalar" on vector {function0 = add} dst, src, scalar0

Floats run on the vector engine, functions with a table on the scalar engine, exact 32-bit integers
and everything else on gpsimd (hardware.md 2.2). Loads queue on DMA_IN, stores on DMA_OUT.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ArrayAttr, FloatAttr, IntAttr, ModuleOp, StringAttr, f64
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.passes import ModulePass

from neuronc.dialects.machine import IssueOp
from neuronc.dialects.tile import (
    ActivateOp,
    CastOp,
    DmaOp,
    FillOp,
    GatherOp,
    IotaOp,
    LibraryOp,
    MapOp,
    MapPairOp,
    MapTensorOp,
    MatMulOp,
    ReduceOp,
    ScatterOp,
    TileOp,
    TransposeOp,
    array_of,
    block_type,
    int_of,
    str_of,
)
from neuronc.dialects.types import element_type
from neuronc.dtypes import BY_NAME, ElementType
from neuronc.isa.table import Engine
from neuronc.numerics import FUNCTIONS, REDUCTIONS
from neuronc.passes.fuse_activation import ACTIVATIONS
from neuronc.passes.peephole import VECTOR_BINARY


@dataclass(frozen=True)
class Choice:
    """An instruction, its engine, the operand fields in order, and its words."""

    instruction: str
    engine: Engine
    slots: tuple[str, ...]
    words: Mapping[str, Attribute]


@dataclass(frozen=True)
class Select(ModulePass):
    """tile ops to machine.issue."""

    name = "select"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Replace every tile op of the module."""
        for old in [o for o in op.walk() if isinstance(o, TileOp) and type(o) in _RULES]:
            choice = _RULES[type(old)](old)
            new = IssueOp.create(operands=old.operands, attributes=_attributes(old, choice))
            block = old.parent
            assert block is not None
            block.insert_op_before(new, old)
            old.detach()
            old.erase()


def _attributes(old: TileOp, choice: Choice) -> dict[str, Attribute]:
    kept = {k: v for k, v in old.attributes.items() if k in ("access", "loc", "source", "first")}
    words = {f"word_{name}": value for name, value in choice.words.items()}
    return {
        **kept,
        "instruction": StringAttr(choice.instruction),
        "engine": StringAttr(choice.engine.name),
        "slots": ArrayAttr([StringAttr(s) for s in choice.slots]),
        **words,
    }


def _queue(op: TileOp) -> Engine:
    return Engine.DMA_IN if block_type(op.operands[0]) else Engine.DMA_OUT


def _dma(op: TileOp) -> Choice:
    return Choice("DmaCopy", _queue(op), ("dst", "src"), _combine(op))


def _gather(op: TileOp) -> Choice:
    step = {"index_step": IntAttr(1)}
    return Choice("DmaGather", _queue(op), ("dst", "src", "index"), step)


def _scatter(op: TileOp) -> Choice:
    step: dict[str, Attribute] = {"index_step": IntAttr(1)}
    return Choice("DmaScatter", _queue(op), ("dst", "src", "index"), {**step, **_combine(op)})


def _combine(op: TileOp) -> dict[str, Attribute]:
    name = str_of(op, "accumulate")
    return {"accumulate": _code(name)} if name else {}


def _matmul(op: TileOp) -> Choice:
    return Choice("MatMul", Engine.TENSOR, ("dst", "stationary", "moving"), {})


def _transpose(op: TileOp) -> Choice:
    return Choice("Transpose", Engine.TENSOR, ("dst", "src"), {})


def _map(op: TileOp) -> Choice:
    function = str_of(op, "function")
    if function == "select":
        return Choice("Select", Engine.VECTOR, ("dst", "predicate", "on_true", "on_false"), {})
    if "immediate" in op.attributes:
        return _immediate(op, function)
    if len(op.operands) == 3:
        return _binary(op, function)
    return _unary(op, function)


def _activate(op: TileOp) -> Choice:
    words = {"function": _code(str_of(op, "function")), "scale": op.attributes["scale"]}
    return Choice("Activation", Engine.SCALAR, _slots(op), words)


def _map_pair(op: TileOp) -> Choice:
    return Choice("TensorScalar", Engine.VECTOR, _slots(op), _two_functions(op))


def _map_tensor(op: TileOp) -> Choice:
    return Choice("ScalarTensorTensor", Engine.VECTOR, _slots(op), _two_functions(op))


def _slots(op: TileOp) -> tuple[str, ...]:
    return tuple(a.data for a in array_of(op, "slots") if isinstance(a, StringAttr))


def _two_functions(op: TileOp) -> dict[str, Attribute]:
    words = {k: v for k, v in op.attributes.items() if k.startswith(("immediate", "reverse"))}
    functions = {name: _code(str_of(op, name)) for name in ("function0", "function1")}
    return {**words, **functions}


def _unary(op: TileOp, function: str) -> Choice:
    kind = _element(op.operands[1])
    if kind.is_float and function == "negate":
        words = {"function0": _code("multiply"), "immediate0": _number(-1.0)}
        return Choice("TensorScalar", Engine.VECTOR, ("dst", "src"), words)
    words = {"function": _code(function)}
    if kind.is_float and function in ACTIVATIONS:
        return Choice("Activation", Engine.SCALAR, ("dst", "src"), {**words, "scale": _number(1.0)})
    return Choice("Elementwise", Engine.GPSIMD, ("dst", "src"), words)


def _immediate(op: TileOp, function: str) -> Choice:
    words = {
        "function0": _code(function),
        "immediate0": op.attributes["immediate"],
        "reverse0": IntAttr(int(int_of(op, "immediate_at") == 0)),
    }
    return Choice("TensorScalar", _engine(op, function), ("dst", "src"), words)


def _binary(op: TileOp, function: str) -> Choice:
    engine = _engine(op, function)
    columns = [a.data.is_column for a in op.accesses[1:]]
    single = [all(n == 1 for _, n in a.data.pairs) for a in op.accesses[1:]]
    wide = BY_NAME["f32"]
    scalars = [
        column and not one and _element(v) is wide
        for column, one, v in zip(columns, single, op.operands[1:], strict=True)
    ]
    if engine is Engine.VECTOR and scalars == [False, True]:
        return Choice(
            "TensorScalar", engine, ("dst", "src", "scalar0"), {"function0": _code(function)}
        )
    if engine is Engine.VECTOR and scalars == [True, False]:
        words = {"function0": _code(function), "reverse0": IntAttr(1)}
        return Choice("TensorScalar", engine, ("dst", "scalar0", "src"), words)
    return Choice("TensorTensor", engine, ("dst", "lhs", "rhs"), {"function": _code(function)})


def _cast(op: TileOp) -> Choice:
    kinds = [_element(v) for v in op.operands]
    exact = all(k.is_integer for k in kinds) and kinds[0] is not kinds[1]
    engine = Engine.GPSIMD if exact else Engine[str_of(op, "engine", "vector").upper()]
    return Choice("Copy", engine, ("dst", "src"), {})


def _reduce(op: TileOp) -> Choice:
    words = {"function": _code(str_of(op, "function")), "axes": op.attributes["axes"]}
    engine = Engine.GPSIMD if _element(op.operands[1]).is_integer else Engine.VECTOR
    return Choice("TensorReduce", engine, ("dst", "src"), words)


def _fill(op: TileOp) -> Choice:
    return Choice("Memset", Engine.VECTOR, ("dst",), {"value": op.attributes["value"]})


def _iota(op: TileOp) -> Choice:
    steps = array_of(op, "steps")
    words: dict[str, Attribute] = {"partition_step": op.attributes["partition_step"]}
    words |= {f"step{i}": step for i, step in enumerate(steps)}
    return Choice("Iota", Engine.GPSIMD, ("dst",), {**words, "base": op.attributes["base"]})


def _library(op: TileOp) -> Choice:
    kept = {name: op.attributes[name] for name in ("function", "params", "outputs", "work")}
    return Choice("Library", Engine.GPSIMD, (), kept)


def _engine(op: TileOp, function: str) -> Engine:
    """Vector where its arithmetic is exact enough: floats and booleans; else gpsimd."""
    exact = any(_element(v).is_integer for v in op.operands[1:])
    return Engine.VECTOR if function in VECTOR_BINARY and not exact else Engine.GPSIMD


def _element(value: SSAValue) -> ElementType:
    block = block_type(value)
    return BY_NAME[block.element.data] if block else element_type(value.type)


def _code(name: str) -> IntAttr:
    row = FUNCTIONS.get(name) or REDUCTIONS[name]
    return IntAttr(row.code)


def _number(value: float) -> Attribute:
    return FloatAttr(value, f64)


_RULES: dict[type[Operation], Callable[[TileOp], Choice]] = {
    DmaOp: _dma,
    GatherOp: _gather,
    ScatterOp: _scatter,
    MatMulOp: _matmul,
    TransposeOp: _transpose,
    MapOp: _map,
    ActivateOp: _activate,
    MapPairOp: _map_pair,
    MapTensorOp: _map_tensor,
    CastOp: _cast,
    ReduceOp: _reduce,
    FillOp: _fill,
    IotaOp: _iota,
    LibraryOp: _library,
}
