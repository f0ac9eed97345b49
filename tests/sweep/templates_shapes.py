"""Programs that move, fold, contract and index."""

from __future__ import annotations

from tests.sweep.template import Template as T


def fold(op: str) -> str:
    """A region of one function of two scalars."""
    return (
        "{\n^bb0(%p: tensor<{T}>, %q: tensor<{T}>):\n"
        f"%r = stablehlo.{op} %p, %q : tensor<{{T}}>\n"
        "stablehlo.return %r : tensor<{T}>\n}"
    )


def order(direction: str) -> str:
    """A region that compares two scalars."""
    return (
        "{\n^bb0(%p: tensor<{T}>, %q: tensor<{T}>):\n"
        f"%r = stablehlo.compare {direction}, %p, %q : (tensor<{{T}}>, tensor<{{T}}>) -> "
        "tensor<i1>\nstablehlo.return %r : tensor<i1>\n}"
    )


LARGEST = (
    "{\n^bb0(%p: tensor<{T}>, %i: tensor<i32>, %q: tensor<{T}>, %j: tensor<i32>):\n"
    "%w = stablehlo.compare GE, %p, %q : (tensor<{T}>, tensor<{T}>) -> tensor<i1>\n"
    "%r = stablehlo.select %w, %p, %q : tensor<i1>, tensor<{T}>\n"
    "%k = stablehlo.select %w, %i, %j : tensor<i1>, tensor<i32>\n"
    "stablehlo.return %r, %k : tensor<{T}>, tensor<i32>\n}"
)
FOLDS = ("add", "multiply", "maximum", "minimum", "and", "or", "xor", "subtract")
WINDOW = (
    "window_dimensions = array<i64: 1, 3>, window_strides = array<i64: 1, 2>, "
    "padding = dense<[[0, 0], [1, 1]]> : tensor<2x2xi64>"
)
GATHER = (
    "dimension_numbers = #stablehlo.gather<offset_dims = [1], collapsed_slice_dims = [0], "
    "start_index_map = [0], index_vector_dim = 1>, slice_sizes = array<i64: 1, 3>, "
    "indices_are_sorted = false"
)
SCATTER = (
    "scatter_dimension_numbers = #stablehlo.scatter<update_window_dims = [1], "
    "inserted_window_dims = [0], scatter_dims_to_operand_dims = [0], index_vector_dim = 1>, "
    "indices_are_sorted = false, unique_indices = false"
)
DOT = (
    "dot_dimension_numbers = #stablehlo.dot<lhs_contracting_dimensions = [1], "
    "rhs_contracting_dimensions = [0]>"
)
CONVOLUTION = (
    "batch_group_count = 1 : i64, feature_group_count = 1 : i64, "
    "dimension_numbers = #stablehlo.conv<[b, 0, f]x[0, i, o]->[b, 0, f]>, "
    "window_strides = array<i64: 1>, rhs_dilation = array<i64: 1>, "
    "lhs_dilation = array<i64: 2>, padding = dense<[[1, 0]]> : tensor<1x2xi64>"
)
SLICE = (
    "start_indices = array<i64: 0, 1>, limit_indices = array<i64: 2, 6>, strides = array<i64: 1, 2>"
)
PAD = (
    "edge_padding_low = array<i64: 1, -1>, edge_padding_high = array<i64: 0, 2>, "
    "interior_padding = array<i64: 1, 0>"
)
THREEFRY = "rng_algorithm = #stablehlo<rng_algorithm THREE_FRY>"
PHILOX = "rng_algorithm = #stablehlo<rng_algorithm PHILOX>"


def lists(*values: tuple[str, tuple[int, ...]]) -> str:
    """Constants of i64."""
    return "\n".join(
        f"%{name} = stablehlo.constant dense<{list(items)}> : tensor<{len(items)}xi64>"
        for name, items in values
    )


MOVEMENT = (
    T("stablehlo.broadcast", "2x3xT", "2x2x3xT", "broadcast_sizes = array<i64: 2>"),
    T("stablehlo.broadcast_in_dim", "2x3xT", "2x4x3xT",
      "broadcast_dimensions = array<i64: 0, 2>"),
    T("stablehlo.broadcast_in_dim", "T", "2x3xT", "broadcast_dimensions = array<i64>",
      variant="scalar"),
    T("stablehlo.concatenate", "2x3xT 2x3xT", "4x3xT", "dimension = 0 : i64"),
    T("stablehlo.dynamic_slice", "4x3xT i32 i32", "2x3xT", "slice_sizes = array<i64: 2, 3>"),
    T("stablehlo.dynamic_update_slice", "4x3xT 2x3xT i32 i32", "4x3xT"),
    T("stablehlo.gather", "5x3xT 4x1xi32", "4x3xT", GATHER),
    T("stablehlo.gather", "5x3xT 4x1xi64", "4x3xT", GATHER, variant="i64"),
    T("stablehlo.torch_index_select", "5x3xT 4xi32", "4x3xT",
      "dim = 0 : i64, batch_dims = 0 : i64"),
    T("stablehlo.iota", "", "3x4xT", "iota_dimension = 1 : i64"),
    T("stablehlo.pad", "2x6xT T", "4x7xT", PAD),
    T("stablehlo.reshape", "2x6xT", "3x4xT"),
    T("stablehlo.reverse", "2x6xT", "2x6xT", "dimensions = array<i64: 1>"),
    T("stablehlo.slice", "2x6xT", "2x3xT", SLICE),
    T("stablehlo.transpose", "2x6xT", "6x2xT", "permutation = array<i64: 1, 0>"),
    T("stablehlo.get_dimension_size", "2x6xT", "i32", "dimension = 1 : i64"),
    T("stablehlo.set_dimension_size", "2x6xT", "2x6xT", "dimension = 1 : i64",
      before="%n = stablehlo.constant dense<6> : tensor<i32>", extra="%n i32"),
    T("stablehlo.dynamic_reshape", "2x6xT", "3x4xT", before=lists(("s", (3, 4))), extra="%s 2xi64"),
    T("stablehlo.dynamic_broadcast_in_dim", "6xT", "2x6xT", "broadcast_dimensions = array<i64: 1>",
      before=lists(("s", (2, 6))), extra="%s 2xi64"),
    T("stablehlo.dynamic_iota", "", "5xT", "iota_dimension = 0 : i64",
      before=lists(("s", (5,))), extra="%s 1xi64"),
    T("stablehlo.dynamic_pad", "6xT T", "8xT", before=lists(("s", (1,)), ("t", (1,)), ("u", (0,))),
      extra="%s 1xi64 %t 1xi64 %u 1xi64"),
    T("stablehlo.real_dynamic_slice", "6xT", "2xT",
      before=lists(("s", (1,)), ("t", (5,)), ("u", (2,))),
      extra="%s 1xi64 %t 1xi64 %u 1xi64"),
    T("stablehlo.dynamic_gather", "5x3xT 4x1xi32", "4x3xT", GATHER.replace(
        "slice_sizes = array<i64: 1, 3>, ", ""), before=lists(("s", (1, 3))), extra="%s 2xi64"),
)  # fmt: skip

FOLDING = (
    *(T("stablehlo.reduce", "2x6xT T", "2xT", "dimensions = array<i64: 1>", fold(f),
        values="summed", variant=f) for f in FOLDS),
    T("stablehlo.reduce", "2x6xT 2x6xi32 T i32", "2xT 2xi32", "dimensions = array<i64: 1>", LARGEST,
      variant="of pairs"),
    *(T("stablehlo.reduce_window", "2x6xT T", "2x3xT", WINDOW, fold(f), values="summed",
        variant=f) for f in FOLDS),
    T("stablehlo.select_and_scatter", "2x6xT 2x3xT T", "2x6xT", WINDOW,
      order("GE") + ", " + fold("add"), values="summed"),
    *(T("stablehlo.scatter", "5x3xT 4x1xi32 4x3xT", "5x3xT", SCATTER, fold(f), values="summed",
        variant=f) for f in FOLDS),
    T("stablehlo.sort", "2x6xT", "2x6xT", "dimension = 1 : i64, is_stable = true", order("LT"),
      values="finite"),
    T("stablehlo.sort", "2x6xT", "2x6xT", "dimension = 0 : i64", order("GT"),
      values="finite", variant="descending"),
    T("stablehlo.map", "2x6xT 2x6xT", "2x6xT", "dimensions = array<i64: 0, 1>", fold("add")),
    T("stablehlo.batch_norm_training", "6x3xT 3xT 3xT", "6x3xT 3xT 3xT",
      "epsilon = 0.125 : f32, feature_index = 1 : i64", values="moderate"),
    T("stablehlo.batch_norm_inference", "6x3xT 3xT 3xT 3xT 3xT", "6x3xT",
      "epsilon = 0.125 : f32, feature_index = 1 : i64", values="moderate"),
    T("stablehlo.batch_norm_grad", "6x3xT 3xT 3xT 3xT 6x3xT", "6x3xT 3xT 3xT",
      "epsilon = 0.125 : f32, feature_index = 1 : i64", values="moderate"),
)  # fmt: skip

CONTRACTION = (
    T("stablehlo.dot_general", "2x6xT 6x3xT", "2x3xT", DOT, values="summed"),
    *(T("stablehlo.dot_general", "2x6xT 6x3xT", f"2x3x{to}", DOT, values="summed",
        variant=f"to {to}") for to in ("i32", "f32", "bf16")),
    T("stablehlo.dot", "2x6xT 6x3xT", "2x3xT", values="summed"),
    T("stablehlo.einsum", "2x6xT 6x3xT", "2x3xT", 'einsum_config = "ij,jk->ik"', values="summed"),
    T("stablehlo.unary_einsum", "2x6xT", "6xT", 'einsum_config = "ij->j"', values="summed"),
    T("stablehlo.convolution", "2x6x3xT 2x3x4xT", "2x11x4xT", CONVOLUTION, values="summed"),
    T("stablehlo.dynamic_conv", "2x6x3xT 2x3x4xT", "2x11x4xT", CONVOLUTION.replace(
        ", padding = dense<[[1, 0]]> : tensor<1x2xi64>", ""), values="summed",
      before="%s = stablehlo.constant dense<[[1, 0]]> : tensor<1x2xi64>", extra="%s 1x2xi64"),
    T("stablehlo.cholesky", "2x3x3xT", "2x3x3xT", "lower = true", values="positive"),
    T("stablehlo.triangular_solve", "3x3xT 3x2xT", "3x2xT",
      "left_side = true, lower = true, unit_diagonal = false, "
      "transpose_a = #stablehlo<transpose NO_TRANSPOSE>", values="positive"),
    *(T("stablehlo.fft", "2x6xT", "2x6xT", f"fft_type = #stablehlo<fft_type {k}>, "
        "fft_length = array<i64: 6>", values="moderate", variant=k) for k in ("FFT", "IFFT")),
    T("stablehlo.fft", "2x6xT", "2x4xC", "fft_type = #stablehlo<fft_type RFFT>, "
      "fft_length = array<i64: 6>", values="moderate", variant="RFFT"),
    T("stablehlo.fft", "2x4xT", "2x6xR", "fft_type = #stablehlo<fft_type IRFFT>, "
      "fft_length = array<i64: 6>", values="moderate", variant="IRFFT"),
    T("stablehlo.rng_bit_generator", "2xui64", "2xui64 2x6xT", THREEFRY, variant="threefry"),
    T("stablehlo.rng_bit_generator", "3xui64", "3xui64 2x6xT", PHILOX, variant="philox"),
    T("stablehlo.rng", "T T", "2x6xT", "rng_distribution = #stablehlo<rng_distribution UNIFORM>",
      values="ordered", before=lists(("s", (2, 6))), extra="%s 2xi64"),
)  # fmt: skip

SHAPES = (*MOVEMENT, *FOLDING, *CONTRACTION)
