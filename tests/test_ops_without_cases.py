"""Operations that the conformance corpus does not have, or hardly has, from text to results.

The reference is XLA on CPU running the same text, or a NumPy formula where XLA does not take the
operation.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1]))

from neuronc.artifact.container import read, to_bytes
from neuronc.dtypes import BY_NAME
from neuronc.errors import NeuroncError
from neuronc.pipeline import compile_artifact
from neuronc.runtime.program import Program
from tests.fuzz.oracle import compile_program

Array = NDArray[np.generic]
RNG = np.random.default_rng(11)
F32 = np.float32


@dataclass(frozen=True)
class Sample:
    """A program's body, its inputs, and what must come out (None: what XLA gives)."""

    signature: str
    result: str
    body: str
    inputs: Sequence[Array] = ()
    want: Callable[..., object] | None = None
    tolerance: float = 0.0
    """Relative and absolute."""
    others: str = ""
    """Other functions of the module."""

    @property
    def text(self) -> str:
        """The module."""
        return (
            f"module {{\nfunc.func @main({self.signature}) -> {self.result} {{\n{self.body}\n}}\n"
            f"{self.others}\n}}\n"
        )


def run(sample: Sample) -> list[Array]:
    return Program(read(to_bytes(compile_artifact(sample.text))))(*sample.inputs)


def expected(sample: Sample) -> list[Array]:
    if sample.want is None:
        return compile_program(sample.text)(sample.inputs)
    made = sample.want(*sample.inputs)
    return [np.asarray(x) for x in (made if isinstance(made, tuple) else (made,))]


def normal(*shape: int) -> Array:
    return RNG.normal(size=shape).astype(F32)


def whole(*shape: int, dtype: type = np.int32, low: int = -9, high: int = 9) -> Array:
    return RNG.integers(low, high, shape).astype(dtype)


X34, X45, X4 = normal(3, 4), normal(4, 5), normal(4)
ROOT = normal(2, 4, 4)
POSITIVE = (ROOT @ ROOT.swapaxes(1, 2) + 4 * np.eye(4)).astype(F32)
SPECIAL = np.array([0, -0.0, np.inf, -np.inf, np.nan, 1], F32)
BATCH = "%x: tensor<6x3xf32>, %s: tensor<3xf32>, %o: tensor<3xf32>"
SCALE = np.abs(normal(3)) + F32(0.5)
EPSILON = "<{epsilon = 1.0e-3 : f32, feature_index = 1 : i64}>"
UNARY = "%x: tensor<3x4xf32>", "tensor<3x4xf32>"


def unary(op: str, x: Array = X34, tolerance: float = 0.0) -> Sample:
    kind = f"tensor<{''.join(f'{n}x' for n in x.shape)}f32>"
    return Sample(
        f"%x: {kind}", kind, f"%0 = {op} %x : {kind} -> {kind}\nreturn %0 : {kind}", [x], None,
        tolerance,
    )  # fmt: skip


def flag(op: str, meaning: Callable[[Array], object]) -> Sample:
    body = f"%0 = {op} %x : tensor<6xf32> -> tensor<6xi1>\nreturn %0 : tensor<6xi1>"
    return Sample("%x: tensor<6xf32>", "tensor<6xi1>", body, [SPECIAL], meaning)


def scan(attributes: str, sums: Callable[[Array], Array]) -> Sample:
    """Running sums along the rows, and what they come to, from a start."""
    row, all_ = "tensor<2xi32>", "tensor<2x5xi32>"
    body = (
        f"%0:2 = chlo.scan(%x) inits(%i) dimension=1 {attributes}{{\n"
        f"^bb0(%e: {row}, %c: {row}):\n"
        f"%s = stablehlo.add %e, %c : {row}\n"
        f"stablehlo.return %s, %s : {row}, {row}\n"
        f"}} : ({all_}, {row}) -> ({all_}, {row})\n"
        f"return %0#0, %0#1 : {all_}, {row}"
    )
    inputs = [np.arange(10, dtype=np.int32).reshape(2, 5), np.array([3, -4], np.int32)]
    return Sample(
        f"%x: {all_}, %i: {row}",
        f"({all_}, {row})",
        body,
        inputs,
        lambda x, i: (sums(x) + i[:, None], x.sum(1) + i),
    )


def generic(
    name: str, operands: Sequence[str], result: str, attributes: str = "", region: str = ""
) -> str:
    """One op in generic form over arguments %a, %b, .., and the return."""
    names = ", ".join(f"%{c}" for c, _ in zip("abcdef", operands, strict=False))
    properties = f"<{{{attributes}}}>" if attributes else ""
    return (
        f'%0 = "stablehlo.{name}"({names}) {properties} {region} : '
        f"({', '.join(operands)}) -> {result}\nreturn %0 : {result}"
    )


def one(
    name: str,
    operands: Sequence[str],
    result: str,
    inputs: Sequence[Array],
    attributes: str = "",
    region: str = "",
    want: Callable[..., object] | None = None,
    tolerance: float = 0.0,
) -> Sample:
    signature = ", ".join(f"%{c}: {t}" for c, t in zip("abcdef", operands, strict=False))
    body = generic(name, operands, result, attributes, region)
    return Sample(signature, result, body, inputs, want, tolerance)


def normalised(x: Array, scale: Array, offset: Array) -> tuple[Array, Array, Array]:
    mean, variance = x.mean(0), x.var(0)
    return (x - mean) / np.sqrt(variance + 1e-3) * scale + offset, mean, variance


SAMPLES: dict[str, Sample] = {
    "batch_norm_training": Sample(
        BATCH,
        "(tensor<6x3xf32>, tensor<3xf32>, tensor<3xf32>)",
        f'%0:3 = "stablehlo.batch_norm_training"(%x, %s, %o) {EPSILON} : '
        "(tensor<6x3xf32>, tensor<3xf32>, tensor<3xf32>) -> "
        "(tensor<6x3xf32>, tensor<3xf32>, tensor<3xf32>)\n"
        "return %0#0, %0#1, %0#2 : tensor<6x3xf32>, tensor<3xf32>, tensor<3xf32>",
        [normal(6, 3), SCALE, normal(3)],
        normalised,
        1e-5,
    ),
    "batch_norm_inference": Sample(
        BATCH + ", %m: tensor<3xf32>, %v: tensor<3xf32>",
        "tensor<6x3xf32>",
        f'%0 = "stablehlo.batch_norm_inference"(%x, %s, %o, %m, %v) {EPSILON} : '
        "(tensor<6x3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) -> "
        "tensor<6x3xf32>\nreturn %0 : tensor<6x3xf32>",
        [normal(6, 3), SCALE, normal(3), normal(3), SCALE],
        None,
        1e-5,
    ),
    "batch_norm_grad": Sample(
        "%x: tensor<6x3xf32>, %s: tensor<3xf32>, %m: tensor<3xf32>, %v: tensor<3xf32>, "
        "%g: tensor<6x3xf32>",
        "(tensor<6x3xf32>, tensor<3xf32>, tensor<3xf32>)",
        f'%0:3 = "stablehlo.batch_norm_grad"(%x, %s, %m, %v, %g) {EPSILON} : '
        "(tensor<6x3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<6x3xf32>) -> "
        "(tensor<6x3xf32>, tensor<3xf32>, tensor<3xf32>)\n"
        "return %0#0, %0#1, %0#2 : tensor<6x3xf32>, tensor<3xf32>, tensor<3xf32>",
        [normal(6, 3), SCALE, normal(3), SCALE, normal(6, 3)],
        None,
        1e-4,
    ),
    "broadcast": one(
        "broadcast",
        ["tensor<4xf32>"],
        "tensor<2x3x4xf32>",
        [X4],
        "broadcast_sizes = array<i64: 2, 3>",
        want=lambda x: np.broadcast_to(x, (2, 3, 4)),
    ),
    "cholesky lower": one(
        "cholesky",
        ["tensor<2x4x4xf32>"],
        "tensor<2x4x4xf32>",
        [POSITIVE],
        "lower = true",
        want=np.linalg.cholesky,
        tolerance=1e-4,
    ),
    "cholesky upper": one(
        "cholesky",
        ["tensor<2x4x4xf32>"],
        "tensor<2x4x4xf32>",
        [POSITIVE],
        "lower = false",
        want=lambda x: np.linalg.cholesky(x).swapaxes(1, 2),
        tolerance=1e-4,
    ),
    "triangular_solve": one(
        "triangular_solve",
        ["tensor<4x4xf32>", "tensor<4x5xf32>"],
        "tensor<4x5xf32>",
        [POSITIVE[0], X45],
        "left_side = true, lower = true, unit_diagonal = false, "
        "transpose_a = #stablehlo<transpose TRANSPOSE>",
        want=lambda a, b: np.linalg.solve(np.tril(a).T, b),
        tolerance=1e-4,
    ),
    "dot": one(
        "dot",
        ["tensor<3x4xf32>", "tensor<4x5xf32>"],
        "tensor<3x5xf32>",
        [X34, X45],
        want=np.matmul,
        tolerance=1e-5,
    ),
    "dot of vectors": one(
        "dot",
        ["tensor<4xf32>", "tensor<4xf32>"],
        "tensor<f32>",
        [X4, X4],
        want=np.dot,
        tolerance=1e-5,
    ),
    "einsum": one(
        "einsum",
        ["tensor<3x4xf32>", "tensor<4x5xf32>"],
        "tensor<3x5xf32>",
        [X34, X45],
        'einsum_config = "ij,jk->ik"',
        want=np.matmul,
        tolerance=1e-5,
    ),
    "einsum with a batch": one(
        "einsum",
        ["tensor<2x4x4xf32>", "tensor<2x4xf32>"],
        "tensor<2x4xf32>",
        [POSITIVE, normal(2, 4)],
        'einsum_config = "bij,bj->bi"',
        want=lambda a, b: np.einsum("bij,bj->bi", a, b),
        tolerance=1e-5,
    ),
    "unary_einsum": one(
        "unary_einsum",
        ["tensor<3x4xf32>"],
        "tensor<4xf32>",
        [X34],
        'einsum_config = "ij->j"',
        want=lambda a: a.sum(0),
        tolerance=1e-5,
    ),
    "torch_index_select": one(
        "torch_index_select",
        ["tensor<3x4xf32>", "tensor<2xi32>"],
        "tensor<3x2xf32>",
        [X34, np.array([3, 1], np.int32)],
        "dim = 1 : i64, batch_dims = 0 : i64",
        want=lambda x, i: x[:, i],
    ),
    "is_inf": flag("chlo.is_inf", np.isinf),
    "is_pos_inf": flag("chlo.is_pos_inf", np.isposinf),
    "is_neg_inf": flag("chlo.is_neg_inf", np.isneginf),
    "tan": unary("chlo.tan", tolerance=1e-6),
    "polygamma": Sample(
        "%n: tensor<5xf32>, %x: tensor<5xf32>",
        "tensor<5xf32>",
        "%0 = chlo.polygamma %n, %x : tensor<5xf32>, tensor<5xf32> -> tensor<5xf32>\n"
        "return %0 : tensor<5xf32>",
        [np.arange(5, dtype=F32), np.array([0.5, 1, 2.5, 7, 3], F32)],
        None,
        1e-5,
    ),
    "zeta": Sample(
        "%n: tensor<4xf32>, %x: tensor<4xf32>",
        "tensor<4xf32>",
        "%0 = chlo.zeta %n, %x : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>\n"
        "return %0 : tensor<4xf32>",
        [np.array([1.5, 2, 3, 8], F32), np.array([0.5, 1, 2.5, 7], F32)],
        None,
        1e-5,
    ),
    "real_dynamic_slice": Sample(
        "%x: tensor<6x4xf32>",
        "tensor<2x4xf32>",
        "%s = stablehlo.constant dense<[1, 0]> : tensor<2xi64>\n"
        "%l = stablehlo.constant dense<[5, 4]> : tensor<2xi64>\n"
        "%t = stablehlo.constant dense<[2, 1]> : tensor<2xi64>\n"
        '%0 = "stablehlo.real_dynamic_slice"(%x, %s, %l, %t) : '
        "(tensor<6x4xf32>, tensor<2xi64>, tensor<2xi64>, tensor<2xi64>) -> tensor<2x4xf32>\n"
        "return %0 : tensor<2x4xf32>",
        [normal(6, 4)],
        lambda x: x[1:5:2],
    ),
    "real_dynamic_slice from where an argument says": Sample(
        "%x: tensor<6x4xf32>, %s: tensor<2xi64>, %l: tensor<2xi64>",
        "tensor<2x3xf32>",
        "%t = stablehlo.constant dense<[2, 1]> : tensor<2xi64>\n"
        '%0 = "stablehlo.real_dynamic_slice"(%x, %s, %l, %t) : '
        "(tensor<6x4xf32>, tensor<2xi64>, tensor<2xi64>, tensor<2xi64>) -> tensor<2x3xf32>\n"
        "return %0 : tensor<2x3xf32>",
        [normal(6, 4), np.array([1, 1]), np.array([4, 4])],
        lambda x, *_: x[1:4:2, 1:4],
    ),
    "chlo.scan": scan("", lambda x: np.cumsum(x, 1)),
    "chlo.scan from the end": scan(
        "attributes {is_reverse = true} ", lambda x: np.cumsum(x[:, ::-1], 1)[:, ::-1]
    ),
    "bitcast_convert of booleans": Sample(
        "%x: tensor<3x16xi1>, %y: tensor<3xi16>",
        "(tensor<3xi16>, tensor<3x16xi1>)",
        "%0 = stablehlo.bitcast_convert %x : (tensor<3x16xi1>) -> tensor<3xi16>\n"
        "%1 = stablehlo.bitcast_convert %y : (tensor<3xi16>) -> tensor<3x16xi1>\n"
        "return %0, %1 : tensor<3xi16>, tensor<3x16xi1>",
        [RNG.integers(0, 2, (3, 16)).astype(bool), np.array([1, -2, 12345], np.int16)],
        lambda x, y: (
            np.packbits(x, axis=1, bitorder="little").view(np.int16)[:, 0],
            np.unpackbits(y.view(np.uint8).reshape(3, 2), axis=1, bitorder="little").astype(bool),
        ),
    ),
    "dynamic ops of constants": Sample(
        "%x: tensor<2x3xf32>",
        "(tensor<6xf32>, tensor<4x2x3xf32>, tensor<3x4xf32>, tensor<5xi32>, tensor<i32>)",
        "%s = stablehlo.constant dense<6> : tensor<1xi64>\n"
        "%r = stablehlo.dynamic_reshape %x, %s : "
        "(tensor<2x3xf32>, tensor<1xi64>) -> tensor<6xf32>\n"
        "%t = stablehlo.constant dense<[4, 2, 3]> : tensor<3xi64>\n"
        "%b = stablehlo.dynamic_broadcast_in_dim %x, %t, dims = [1, 2] : "
        "(tensor<2x3xf32>, tensor<3xi64>) -> tensor<4x2x3xf32>\n"
        "%z = stablehlo.constant dense<0.0> : tensor<f32>\n"
        "%o = stablehlo.constant dense<[1, 0]> : tensor<2xi64>\n"
        "%h = stablehlo.constant dense<[0, 1]> : tensor<2xi64>\n"
        "%i = stablehlo.constant dense<0> : tensor<2xi64>\n"
        "%p = stablehlo.dynamic_pad %x, %z, %o, %h, %i : (tensor<2x3xf32>, tensor<f32>, "
        "tensor<2xi64>, tensor<2xi64>, tensor<2xi64>) -> tensor<3x4xf32>\n"
        "%n = stablehlo.constant dense<5> : tensor<1xi64>\n"
        "%c = stablehlo.dynamic_iota %n, dim = 0 : (tensor<1xi64>) -> tensor<5xi32>\n"
        "%d = stablehlo.get_dimension_size %x, dim = 1 : (tensor<2x3xf32>) -> tensor<i32>\n"
        "return %r, %b, %p, %c, %d : "
        "tensor<6xf32>, tensor<4x2x3xf32>, tensor<3x4xf32>, tensor<5xi32>, tensor<i32>",
        [normal(2, 3)],
        lambda x: (
            x.reshape(6),
            np.broadcast_to(x, (4, 2, 3)),
            np.pad(x, ((1, 0), (0, 1))),
            np.arange(5, dtype=np.int32),
            np.int32(3),
        ),
    ),
    "composite": Sample(
        *UNARY,
        '%0 = stablehlo.composite "my.twice" %x {decomposition = @twice} : '
        "(tensor<3x4xf32>) -> tensor<3x4xf32>\nreturn %0 : tensor<3x4xf32>",
        [X34],
        lambda x: x + x,
        others="func.func private @twice(%x: tensor<3x4xf32>) -> tensor<3x4xf32> {\n"
        "%0 = stablehlo.add %x, %x : tensor<3x4xf32>\nreturn %0 : tensor<3x4xf32>\n}",
    ),
    "map": one(
        "map",
        ["tensor<3x4xf32>", "tensor<3x4xf32>"],
        "tensor<3x4xf32>",
        [X34, normal(3, 4)],
        "dimensions = array<i64: 0, 1>",
        "({\n^bb0(%p: tensor<f32>, %q: tensor<f32>):\n%r = stablehlo.multiply %p, %q : "
        "tensor<f32>\n%s = stablehlo.subtract %r, %p : tensor<f32>\n"
        "stablehlo.return %s : tensor<f32>\n})",
        want=lambda a, b: a * b - a,
    ),
    "tuple": Sample(
        "%x: tensor<3x4xf32>, %i: tensor<2xi32>",
        "tensor<3x4xf32>",
        "%t = stablehlo.tuple %x, %i : tuple<tensor<3x4xf32>, tensor<2xi32>>\n"
        "%0 = stablehlo.get_tuple_element %t[0] : "
        "(tuple<tensor<3x4xf32>, tensor<2xi32>>) -> tensor<3x4xf32>\n"
        "return %0 : tensor<3x4xf32>",
        [X34, np.zeros(2, np.int32)],
        lambda x, i: x,
    ),
    "next_after of a narrow type": Sample(
        "%x: tensor<4xf16>, %y: tensor<4xf16>",
        "tensor<4xf16>",
        "%0 = chlo.next_after %x, %y : tensor<4xf16>, tensor<4xf16> -> tensor<4xf16>\n"
        "return %0 : tensor<4xf16>",
        [np.array([0, 1, -1, 3.5], np.float16), np.array([1, 0, 0, 9], np.float16)],
        np.nextafter,
    ),
    "tuples of the signature": Sample(
        "%a: tensor<2xf32>, %t: tuple<tensor<3x4xf32>, tuple<tensor<2xi32>>>",
        "(tuple<tuple<tensor<2xi32>, tensor<2xf32>>, tensor<3x4xf32>>)",
        "%x = stablehlo.get_tuple_element %t[0] : "
        "(tuple<tensor<3x4xf32>, tuple<tensor<2xi32>>>) -> tensor<3x4xf32>\n"
        "%u = stablehlo.get_tuple_element %t[1] : "
        "(tuple<tensor<3x4xf32>, tuple<tensor<2xi32>>>) -> tuple<tensor<2xi32>>\n"
        "%i = stablehlo.get_tuple_element %u[0] : (tuple<tensor<2xi32>>) -> tensor<2xi32>\n"
        "%y = stablehlo.negate %x : tensor<3x4xf32>\n"
        "%p = stablehlo.tuple %i, %a : tuple<tensor<2xi32>, tensor<2xf32>>\n"
        "%0 = stablehlo.tuple %p, %y : "
        "tuple<tuple<tensor<2xi32>, tensor<2xf32>>, tensor<3x4xf32>>\n"
        "return %0 : tuple<tuple<tensor<2xi32>, tensor<2xf32>>, tensor<3x4xf32>>",
        [X4[:2], X34, np.array([4, 5], np.int32)],
        lambda a, x, i: (i, a, -x),
    ),
    "tokens": Sample(
        *UNARY,
        "%t = stablehlo.create_token : !stablehlo.token\n"
        "%u = stablehlo.after_all %t, %t : !stablehlo.token\n"
        "%0 = stablehlo.negate %x : tensor<3x4xf32>\nreturn %0 : tensor<3x4xf32>",
        [X34],
        np.negative,
    ),
    "optimization_barrier of several": Sample(
        "%x: tensor<3x4xf32>, %y: tensor<4xf32>",
        "(tensor<4xf32>, tensor<3x4xf32>)",
        "%0:2 = stablehlo.optimization_barrier %x, %y : tensor<3x4xf32>, tensor<4xf32>\n"
        "return %0#1, %0#0 : tensor<4xf32>, tensor<3x4xf32>",
        [X34, X4],
        lambda x, y: (y, x),
    ),
    "sharding": Sample(
        *UNARY,
        "%0 = stablehlo.custom_call @Sharding(%x) : (tensor<3x4xf32>) -> tensor<3x4xf32>\n"
        "return %0 : tensor<3x4xf32>",
        [X34],
        lambda x: x,
    ),
    "complex parts": Sample(
        "%x: tensor<3x4xf32>, %y: tensor<3x4xf32>",
        "tensor<3x4xf32>",
        "%c = stablehlo.complex %x, %y : tensor<3x4xcomplex<f32>>\n"
        "%m = stablehlo.multiply %c, %c : tensor<3x4xcomplex<f32>>\n"
        "%0 = stablehlo.imag %m : (tensor<3x4xcomplex<f32>>) -> tensor<3x4xf32>\n"
        "return %0 : tensor<3x4xf32>",
        [X34, normal(3, 4)],
        lambda x, y: 2 * x * y,
        1e-6,
    ),
}

C7, SCALAR = "tensor<7xcomplex<f32>>", "tensor<f32>"
SAMPLES |= {
    "rsqrt of zero and of infinities": Sample(
        f"%x: {C7}",
        C7,
        f"%0 = stablehlo.rsqrt %x : {C7}\nreturn %0 : {C7}",
        [
            np.array(
                [0, complex(np.inf, 1), complex(1, -np.inf), complex(-np.inf, 2),
                 complex(np.inf, np.inf), complex(np.inf, np.nan), 4j], np.complex64
            )
        ],
        None,
        1e-6,
    ),
    "movement of a scalar": Sample(
        f"%x: {SCALAR}",
        f"({SCALAR}, {SCALAR}, {SCALAR}, {SCALAR}, {SCALAR})",
        f"%0 = stablehlo.reverse %x, dims = [] : {SCALAR}\n"
        f'%1 = "stablehlo.slice"(%x) <{{start_indices = array<i64>, limit_indices = array<i64>, '
        f"strides = array<i64>}}> : ({SCALAR}) -> {SCALAR}\n"
        f'%2 = "stablehlo.pad"(%0, %1) <{{edge_padding_low = array<i64>, edge_padding_high = '
        f"array<i64>, interior_padding = array<i64>}}> : ({SCALAR}, {SCALAR}) -> {SCALAR}\n"
        f'%3 = "stablehlo.dynamic_slice"(%x) <{{slice_sizes = array<i64>}}> : '
        f"({SCALAR}) -> {SCALAR}\n"
        f'%4 = "stablehlo.dynamic_update_slice"(%x, %3) : ({SCALAR}, {SCALAR}) -> {SCALAR}\n'
        f"return %0, %1, %2, %3, %4 : {SCALAR}, {SCALAR}, {SCALAR}, {SCALAR}, {SCALAR}",
        [np.array(3, F32)],
    ),
}  # fmt: skip

for _kind, _dtype in (("i8", np.int8), ("ui16", np.uint16), ("i32", np.int32), ("ui64", np.uint64)):
    SAMPLES[f"count_leading_zeros {_kind}"] = one(
        "count_leading_zeros", [f"tensor<5x{_kind}>"], f"tensor<5x{_kind}>",
        [np.array([0, 1, 2, 100, 127]).astype(_dtype)],
    )  # fmt: skip

for _op, _attributes in {
    "all_reduce": "replica_groups = dense<0> : tensor<1x1xi64>",
    "all_gather": "all_gather_dim = 0 : i64, replica_groups = dense<0> : tensor<1x1xi64>",
    "reduce_scatter": "scatter_dimension = 0 : i64, replica_groups = dense<0> : tensor<1x1xi64>",
    "all_to_all": "split_dimension = 0 : i64, concat_dimension = 0 : i64, split_count = 1 : i64, "
    "replica_groups = dense<0> : tensor<1x1xi64>",
    "collective_broadcast": "replica_groups = dense<0> : tensor<1x1xi64>",
    "collective_permute": "source_target_pairs = dense<0> : tensor<1x2xi64>",
}.items():
    _region = (
        "({\n^bb0(%p: tensor<f32>, %q: tensor<f32>):\n%r = stablehlo.add %p, %q : tensor<f32>\n"
        "stablehlo.return %r : tensor<f32>\n})"
    )
    SAMPLES[_op] = one(
        _op, ["tensor<3x4xf32>"], "tensor<3x4xf32>", [X34], _attributes,
        _region if _op in ("all_reduce", "reduce_scatter") else "", want=lambda x: x,
    )  # fmt: skip


@pytest.mark.parametrize("name", SAMPLES)
def test_an_op_without_cases(name: str) -> None:
    sample = SAMPLES[name]
    got, want = run(sample), expected(sample)
    assert [(g.shape, g.dtype) for g in got] == [
        (w.shape, g.dtype) for g, w in zip(got, want, strict=True)
    ]
    for g, w in zip(got, want, strict=True):
        if sample.tolerance:
            np.testing.assert_allclose(g, w, rtol=sample.tolerance, atol=sample.tolerance)
        else:
            np.testing.assert_array_equal(g, np.asarray(w).astype(g.dtype))


NARROW = (
    "float8_e4m3", "float8_e4m3fn", "float8_e5m2", "float8_e3m4", "float8_e4m3b11fnuz",
    "float8_e4m3fnuz", "float8_e5m2fnuz", "bfloat16", "float16",
)  # fmt: skip
MLIR = {"bfloat16": "bf16", "float16": "f16"}


@pytest.mark.parametrize("name", NARROW)
def test_narrow_floats_round_each_result_once(name: str) -> None:
    """Every pair of values of 8 bits: the exact result in float64 rounded to the type."""
    dtype = np.dtype(getattr(ml_dtypes, name, name))
    kind = MLIR.get(name) or "f8" + name.removeprefix("float8_").upper()
    values = np.arange(256, dtype=np.uint8)
    if dtype.itemsize == 2:
        values = RNG.integers(0, 2**16, 256).astype(np.uint16)
    values = values.view(dtype)
    x, y = (np.ascontiguousarray(v) for v in np.broadcast_arrays(values[:, None], values))
    both = f"tensor<256x256x{kind}>"
    lines = [
        f"%{i} = stablehlo.{op} %x, %y : {both}"
        for i, op in enumerate(("add", "subtract", "multiply"))
    ]
    body = "\n".join([*lines, f"return %0, %1, %2 : {both}, {both}, {both}"])
    sample = Sample(f"%x: {both}, %y: {both}", f"({both}, {both}, {both})", body, [x, y])
    with np.errstate(all="ignore"):
        a, b = x.astype(np.float64), y.astype(np.float64)
        # Float32 holds every sum and product of two 8-bit floats, or is what bf16 and f16 use.
        wants = [(r.astype(F32)).astype(dtype) for r in (a + b, a - b, a * b)]
    for got, want in zip(run(sample), wants, strict=True):
        same = (got == want) | ((got != got) & (want != want))
        assert same.all(), np.argwhere(~same)[:3]


@pytest.mark.parametrize("kind", ["i2", "ui2", "i4", "ui4"])
def test_integers_below_a_byte_wrap(kind: str) -> None:
    bits, signed = int(kind[-1]), not kind.startswith("u")
    dtype = np.dtype(getattr(ml_dtypes, f"{'' if signed else 'u'}int{bits}"))
    low = -(2 ** (bits - 1)) if signed else 0
    numbers = np.arange(low, low + 2**bits)
    x, y = (np.ascontiguousarray(v) for v in np.broadcast_arrays(numbers[:, None], numbers))
    both = f"tensor<{2**bits}x{2**bits}x{kind}>"
    body = (
        f"%0 = stablehlo.add %x, %y : {both}\n%1 = stablehlo.multiply %x, %y : {both}\n"
        f"return %0, %1 : {both}, {both}"
    )
    inputs = [x.astype(dtype), y.astype(dtype)]
    got = run(Sample(f"%x: {both}, %y: {both}", f"({both}, {both})", body, inputs))
    for g, w in zip(got, (x + y, x * y), strict=True):
        np.testing.assert_array_equal(g.astype(int), (w - low) % 2**bits + low)


@pytest.mark.parametrize("distribution", ["UNIFORM", "NORMAL"])
def test_rng_has_its_distribution(distribution: str) -> None:
    kind = "tensor<20000xf32>"
    body = (
        "%s = stablehlo.constant dense<20000> : tensor<1xi64>\n"
        f"%0 = stablehlo.rng %a, %b, %s, distribution = {distribution} : "
        f"(tensor<f32>, tensor<f32>, tensor<1xi64>) -> {kind}\nreturn %0 : {kind}"
    )
    low, high = F32(2), F32(3)
    (x,) = run(Sample("%a: tensor<f32>, %b: tensor<f32>", kind, body, [low, high]))
    # Five standard errors of the mean of 20,000 numbers.
    if distribution == "UNIFORM":
        assert x.min() >= 2
        assert x.max() <= 3
        assert abs(x.mean() - 2.5) < 5 * 12**-0.5 / 141
    else:
        assert abs(x.mean() - 2) < 5 * 3 / 141
        assert abs(x.std() - 3) < 5 * 3 / 200


@pytest.mark.parametrize("kind", ["f16", "bf16", "f64", "i8", "ui16", "i32", "i64"])
def test_rng_of_any_type_is_in_range_and_the_same_again(kind: str) -> None:
    dtype = BY_NAME[kind].numpy
    text = (
        "%s = stablehlo.constant dense<4000> : tensor<1xi64>\n"
        f"%0 = stablehlo.rng %a, %b, %s, distribution = UNIFORM : "
        f"(tensor<{kind}>, tensor<{kind}>, tensor<1xi64>) -> tensor<4000x{kind}>\n"
        f"return %0 : tensor<4000x{kind}>"
    )
    bounds = [np.array(2, dtype), np.array(34, dtype)]
    sample = Sample(f"%a: tensor<{kind}>, %b: tensor<{kind}>", f"tensor<4000x{kind}>", text, bounds)
    (x,), (again,) = run(sample), run(sample)
    assert x.tobytes() == again.tobytes()
    wide = x.astype(np.float64)
    assert wide.min() >= 2
    assert wide.max() <= 34
    # Five standard errors of the mean of 4,000 numbers; whole ones end below the upper bound.
    centre = 18 - 0.5 * BY_NAME[kind].is_integer
    assert abs(wide.mean() - centre) < 5 * 32 / 12**0.5 / 4000**0.5


EINSUMS = {"ij->j": (3, 4), "ij->ji": (3, 4), "ij->": (3, 4), "ijk->ik": (2, 3, 4), "i->i": (5,)}


@pytest.mark.parametrize("kind", ["f32", "f64", "bf16", "i8", "i32", "ui64", "complex<f32>"])
@pytest.mark.parametrize("config", EINSUMS)
def test_unary_einsum_is_that_of_jax(config: str, kind: str) -> None:
    """Small whole numbers, whose sums are exact in every type."""
    x = RNG.integers(0, 3, EINSUMS[config]).astype(BY_NAME[kind].numpy)
    with jax.enable_x64(True):
        want = np.asarray(jnp.einsum(config, x))
    given, result = (f"tensor<{''.join(f'{n}x' for n in a.shape)}{kind}>" for a in (x, want))
    (got,) = run(one("unary_einsum", [given], result, [x], f'einsum_config = "{config}"'))
    assert got.dtype == want.dtype
    np.testing.assert_array_equal(got, want)


REFUSED = {
    "outfeed": Sample(
        *UNARY,
        "%t = stablehlo.create_token : !stablehlo.token\n"
        '%u = "stablehlo.outfeed"(%x, %t) <{outfeed_config = ""}> : '
        "(tensor<3x4xf32>, !stablehlo.token) -> !stablehlo.token\nreturn %x : tensor<3x4xf32>",
    ),
    "a collective of two": one(
        "all_gather", ["tensor<3x4xf32>"], "tensor<6x4xf32>", [],
        "all_gather_dim = 0 : i64, replica_groups = dense<[[0, 1]]> : tensor<1x2xi64>",
    ),
    "an unknown call": Sample(
        *UNARY,
        "%0 = stablehlo.custom_call @nobody_knows(%x) : (tensor<3x4xf32>) -> tensor<3x4xf32>\n"
        "return %0 : tensor<3x4xf32>",
    ),
    "set_dimension_size of a value": Sample(
        "%x: tensor<3x4xf32>, %n: tensor<i32>",
        "tensor<3x?xf32, #stablehlo.bounds<?, 4>>",
        '%0 = "stablehlo.set_dimension_size"(%x, %n) <{dimension = 1 : i64}> : '
        "(tensor<3x4xf32>, tensor<i32>) -> tensor<3x?xf32, #stablehlo.bounds<?, 4>>\n"
        "return %0 : tensor<3x?xf32, #stablehlo.bounds<?, 4>>",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_run_is_refused_with_a_code(name: str) -> None:
    with pytest.raises(NeuroncError) as caught:
        run(REFUSED[name])
    assert "NRC-" in str(caught.value)
