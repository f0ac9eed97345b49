"""Programs that branch, call, communicate, and those of CHLO's larger operations."""

from __future__ import annotations

from tests.sweep.template import Template as T
from tests.sweep.templates_shapes import fold

ONE_GROUP = "replica_groups = dense<0> : tensor<1x1xi64>"


def branch(op: str) -> str:
    """A region that uses a value from outside."""
    return (
        f"{{\n%r = stablehlo.{op} %b, %c : tensor<2x3x{{T}}>\n"
        "stablehlo.return %r : tensor<2x3x{T}>\n}"
    )


LOOP = (
    "{\n^bb0(%i: tensor<i32>, %x: tensor<2x3x{T}>):\n"
    "%n = stablehlo.constant dense<3> : tensor<i32>\n"
    "%r = stablehlo.compare LT, %i, %n : (tensor<i32>, tensor<i32>) -> tensor<i1>\n"
    "stablehlo.return %r : tensor<i1>\n}, "
    "{\n^bb0(%i: tensor<i32>, %x: tensor<2x3x{T}>):\n"
    "%n = stablehlo.constant dense<1> : tensor<i32>\n"
    "%j = stablehlo.add %i, %n : tensor<i32>\n"
    "%y = stablehlo.reverse %x, dims = [1] : tensor<2x3x{T}>\n"
    "stablehlo.return %j, %y : tensor<i32>, tensor<2x3x{T}>\n}"
)
TWICE = (
    "func.func private @twice(%x: tensor<2x3x{T}>) -> tensor<2x3x{T}> {\n"
    "%0 = stablehlo.add %x, %x : tensor<2x3x{T}>\nreturn %0 : tensor<2x3x{T}>\n}"
)

CONTROL = (
    T("stablehlo.if", "i1 2x3xT 2x3xT", "2x3xT",
      region=f"{branch('add')}, {branch('multiply')}", used=1),
    T("stablehlo.case", "i32 2x3xT 2x3xT", "2x3xT",
      region=f"{branch('add')}, {branch('multiply')}, {branch('maximum')}", used=1),
    T("stablehlo.constant", "", "2x3xT", "value = dense<{one}> : tensor<2x3x{T}>"),
    T("chlo.constant", "", "2x3xT", "value = dense<{one}> : tensor<2x3x{T}>"),
    T("stablehlo.get_tuple_element", "2x3xT 3xi32", "2x3xT", "index = 0 : i32", used=0,
      before="%t = stablehlo.tuple %a, %b : tuple<tensor<2x3x{T}>, tensor<3xi32>>",
      extra="%t tuple<tensor<2x3x{T}>,tensor<3xi32>>"),
    T("stablehlo.while", "i32 2x3xT", "i32 2x3xT", region=LOOP),
    T("stablehlo.composite", "2x3xT", "2x3xT", 'name = "my.twice", decomposition = @twice',
      others=TWICE),
    T("stablehlo.custom_call", "2x3xT", "2x3xT", 'call_target_name = "Sharding"'),
    T("stablehlo.custom_call", "2x3xT", "2x3xT", 'call_target_name = "unknown"', variant="unknown"),
    T("stablehlo.tuple", "2x3xT 3xi32", "tuple<tensor<2x3x{T}>,tensor<3xi32>>"),
    T("stablehlo.partition_id", "", "ui32"),
    T("stablehlo.replica_id", "", "ui32"),
)  # fmt: skip

COLLECTIVE = (
    T("stablehlo.all_reduce", "2x3xT", "2x3xT", ONE_GROUP, fold("add")),
    T("stablehlo.reduce_scatter", "2x3xT", "2x3xT", ONE_GROUP + ", scatter_dimension = 0 : i64",
      fold("add")),
    T("stablehlo.all_gather", "2x3xT", "2x3xT", ONE_GROUP + ", all_gather_dim = 0 : i64"),
    T("stablehlo.all_to_all", "2x3xT", "2x3xT", ONE_GROUP + ", split_dimension = 0 : i64, "
      "concat_dimension = 0 : i64, split_count = 1 : i64"),
    T("stablehlo.collective_broadcast", "2x3xT", "2x3xT", ONE_GROUP),
    T("stablehlo.collective_permute", "2x3xT", "2x3xT",
      "source_target_pairs = dense<0> : tensor<1x2xi64>"),
    T("stablehlo.cross-replica-sum", "2x3xT", "2x3xT", ONE_GROUP),
)  # fmt: skip

HOST = (
    T("stablehlo.infeed", "", "2x3xT !stablehlo.token", 'infeed_config = ""',
      before="%t = stablehlo.create_token : !stablehlo.token", extra="%t !stablehlo.token"),
    T("stablehlo.outfeed", "2x3xT", "!stablehlo.token", 'outfeed_config = ""',
      before="%t = stablehlo.create_token : !stablehlo.token", extra="%t !stablehlo.token"),
    T("stablehlo.send", "2x3xT", "!stablehlo.token", "is_host_transfer = true, "
      "channel_handle = #stablehlo.channel_handle<handle = 1, type = 2>",
      before="%t = stablehlo.create_token : !stablehlo.token", extra="%t !stablehlo.token"),
    T("stablehlo.recv", "", "2x3xT !stablehlo.token", "is_host_transfer = true, "
      "channel_handle = #stablehlo.channel_handle<handle = 1, type = 3>",
      before="%t = stablehlo.create_token : !stablehlo.token", extra="%t !stablehlo.token"),
)  # fmt: skip

CHLO = (
    T("chlo.top_k", "2x6xT", "2x3xT 2x3xi32", "k = 3 : i64"),
    T("chlo.ragged_dot", "6x4xT 2x4x3xT 2xi64", "6x3xT",
      "ragged_dot_dimension_numbers = #chlo.ragged_dot<lhs_batching_dimensions = [], "
      "rhs_batching_dimensions = [], lhs_contracting_dimensions = [1], "
      "rhs_contracting_dimensions = [1], lhs_ragged_dimensions = [0], "
      "rhs_group_dimensions = [0]>", values="summed"),
)  # fmt: skip

CALLS = (*CONTROL, *COLLECTIVE, *HOST, *CHLO)
