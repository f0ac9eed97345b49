"""Programs of unusual extents: nothing at all, one element, many dimensions.

Elementwise operations are tried at other extents and at denormal numbers as they are; what moves,
folds, contracts and indexes has programs of its own. They run at fewer element types, since only
the extents are new.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tests.sweep.template import Template
from tests.sweep.templates_calls import LOOP, ONE_GROUP, TWICE, branch
from tests.sweep.templates_shapes import GATHER, SCATTER, THREEFRY, fold, lists, order

KINDS = ("i1", "i4", "ui32", "i64", "bf16", "f32", "complex<f32>", "quant i8")
"""One type for every way in which elements are stored and computed."""
DENORMAL = ("bf16", "f16", "f32", "f64", "complex<f32>", "f8E5M2", "f8E4M3FN")
ELEMENTWISE_EXTENTS = {"empty": "0x6x", "rank 0": "", "rank 7": "2x1x3x1x1x2x1x"}
ALL = "array<i64: 0, 1, 2, 3, 4, 5>"
SIX = "2x1x3x1x2x2x"


def elementwise(templates: Sequence[Template]) -> list[Template]:
    """The programs over 2x6 at other extents, and at denormal numbers."""
    square = [t for t in templates if "2x6x" in t.operands and "6x" not in _without(t)]
    found = [
        replace(
            t,
            operands=t.operands.replace("2x6x", extents),
            results=t.results.replace("2x6x", extents),
            variant=f"{t.variant} {name}".strip(),
            kinds=KINDS,
        )
        for t in square
        for name, extents in ELEMENTWISE_EXTENTS.items()
    ]
    plain = [t for t in templates if t.values == "any" and "T" in t.operands]
    return found + [
        replace(t, values="denormal", variant=f"{t.variant} denormal".strip(), kinds=DENORMAL)
        for t in plain
    ]


def _without(template: Template) -> str:
    return f"{template.operands} {template.results}".replace("2x6x", "")


def T(
    op: str, operands: str, results: str, attributes: str = "", region: str = "", *, variant: str,
    values: str = "summed", **more: object,
) -> Template:  # fmt: skip
    """A program at the few types."""
    return Template(
        f"{'' if '.' in op else 'stablehlo.'}{op}", operands, results, attributes, region,
        values=values, variant=variant, kinds=KINDS, **more,  # type: ignore[arg-type]
    )  # fmt: skip


def _at(extents: str, text: str) -> str:
    """A region over 2x3, at other extents."""
    return text.replace("2x3x", extents)


def _dot(batch: Sequence[int], left: int, right: int) -> str:
    dims = list(batch)
    return (
        f"dot_dimension_numbers = #stablehlo.dot<lhs_batching_dimensions = {dims}, "
        f"rhs_batching_dimensions = {dims}, lhs_contracting_dimensions = [{left}], "
        f"rhs_contracting_dimensions = [{right}]>"
    )


CONVOLUTION = (
    "batch_group_count = 1 : i64, feature_group_count = 1 : i64, dimension_numbers = "
    "#stablehlo.conv<[b, 0, 1, 2, 3, f]x[0, 1, 2, 3, i, o]->[b, 0, 1, 2, 3, f]>"
)
SOLVE = (
    "left_side = true, lower = true, unit_diagonal = false, "
    "transpose_a = #stablehlo<transpose NO_TRANSPOSE>"
)
FFT = "fft_type = #stablehlo<fft_type FFT>, fft_length = array<i64: 6>"
UNIFORM = "rng_distribution = #stablehlo<rng_distribution UNIFORM>"

EMPTY = (
    T("broadcast", "0x3xT", "2x0x3xT", "broadcast_sizes = array<i64: 2>", variant="empty"),
    T("broadcast_in_dim", "0x3xT", "0x4x3xT", "broadcast_dimensions = array<i64: 0, 2>",
      variant="empty"),
    T("broadcast_in_dim", "T", "0x3xT", "broadcast_dimensions = array<i64>", variant="to nothing"),
    T("concatenate", "0x3xT 2x3xT 0x3xT", "2x3xT", "dimension = 0 : i64", variant="empty"),
    T("concatenate", "2x0xT 2x0xT", "4x0xT", "dimension = 0 : i64", variant="of nothing"),
    T("dynamic_slice", "4x3xT i32 i32", "0x3xT", "slice_sizes = array<i64: 0, 3>", variant="empty"),
    T("dynamic_update_slice", "4x3xT 0x3xT i32 i32", "4x3xT", variant="empty"),
    T("gather", "5x3xT 0x1xi32", "0x3xT", GATHER, variant="empty"),
    T("scatter", "5x3xT 0x1xi32 0x3xT", "5x3xT", SCATTER, fold("add"), variant="empty"),
    T("torch_index_select", "5x3xT 0xi32", "0x3xT", "dim = 0 : i64, batch_dims = 0 : i64",
      variant="empty"),
    T("iota", "", "0x4xT", "iota_dimension = 1 : i64", variant="empty"),
    T("pad", "0x6xT T", "3x7xT", "edge_padding_low = array<i64: 1, -1>, edge_padding_high = "
      "array<i64: 2, 2>, interior_padding = array<i64: 1, 0>", variant="empty"),
    T("reshape", "0x6xT", "3x0xT", variant="empty"),
    T("slice", "2x6xT", "2x0xT", "start_indices = array<i64: 0, 3>, limit_indices = "
      "array<i64: 2, 3>, strides = array<i64: 1, 2>", variant="empty"),
    T("transpose", "0x6xT", "6x0xT", "permutation = array<i64: 1, 0>", variant="empty"),
    T("reverse", "0x6xT", "0x6xT", "dimensions = array<i64: 0, 1>", variant="empty"),
    T("reduce", "0x6xT T", "6xT", "dimensions = array<i64: 0>", fold("add"), variant="of nothing"),
    T("reduce", "0x6xT T", "0xT", "dimensions = array<i64: 1>", fold("add"), variant="empty"),
    T("reduce_window", "0x6xT T", "0x4xT", "window_dimensions = array<i64: 1, 3>", fold("add"),
      variant="empty"),
    T("select_and_scatter", "0x6xT 0x4xT T", "0x6xT", "window_dimensions = array<i64: 1, 3>",
      order("GE") + ", " + fold("add"), variant="empty"),
    T("sort", "0x6xT", "0x6xT", "dimension = 1 : i64, is_stable = true", order("LT"),
      variant="empty"),
    T("sort", "0x6xT", "0x6xT", "dimension = 0 : i64, is_stable = true", order("LT"),
      variant="of nothing"),
    T("map", "0x6xT 0x6xT", "0x6xT", "dimensions = array<i64: 0, 1>", fold("add"), variant="empty"),
    T("dot_general", "2x0xT 0x3xT", "2x3xT", _dot((), 1, 0), variant="of nothing"),
    T("dot_general", "0x6xT 6x3xT", "0x3xT", _dot((), 1, 0), variant="empty"),
    T("dot", "2x0xT 0x3xT", "2x3xT", variant="of nothing"),
    T("convolution", "0x5x3xT 2x3x4xT", "0x4x4xT", "batch_group_count = 1 : i64, "
      "feature_group_count = 1 : i64, dimension_numbers = "
      "#stablehlo.conv<[b, 0, f]x[0, i, o]->[b, 0, f]>", variant="empty"),
    T("cholesky", "0x3x3xT", "0x3x3xT", "lower = true", variant="empty", values="positive"),
    T("triangular_solve", "0x3x3xT 0x3x2xT", "0x3x2xT", SOLVE, variant="empty", values="positive"),
    T("fft", "0x6xT", "0x6xT", FFT, variant="empty"),
    T("rng_bit_generator", "2xui64", "2xui64 0x6xT", THREEFRY, variant="empty"),
    T("rng", "T T", "0x6xT", UNIFORM, variant="empty", values="ordered",
      before=lists(("s", (0, 6))), extra="%s 2xi64"),
    T("if", "i1 0x3xT 0x3xT", "0x3xT", used=1, variant="empty",
      region=_at("0x3x", f"{branch('add')}, {branch('multiply')}")),
    T("while", "i32 0x3xT", "i32 0x3xT", region=_at("0x3x", LOOP), variant="empty"),
    T("composite", "0x3xT", "0x3xT", 'name = "my.twice", decomposition = @twice', variant="empty",
      others=_at("0x3x", TWICE)),
    T("all_reduce", "0x3xT", "0x3xT", ONE_GROUP, fold("add"), variant="empty"),
    T("chlo.top_k", "0x6xT", "0x3xT 0x3xi32", "k = 3 : i64", variant="empty"),
)  # fmt: skip

SCALAR = (
    T("broadcast", "T", "2x3xT", "broadcast_sizes = array<i64: 2, 3>", variant="scalar"),
    T("reshape", "1x1xT", "T", variant="to a scalar"),
    T("reshape", "T", "1x1xT", variant="of a scalar"),
    T("transpose", "T", "T", "permutation = array<i64>", variant="scalar"),
    T("reverse", "T", "T", "dimensions = array<i64>", variant="scalar"),
    T("slice", "T", "T", "start_indices = array<i64>, limit_indices = array<i64>, "
      "strides = array<i64>", variant="scalar"),
    T("pad", "T T", "T", "edge_padding_low = array<i64>, edge_padding_high = array<i64>, "
      "interior_padding = array<i64>", variant="scalar"),
    T("dynamic_slice", "T", "T", "slice_sizes = array<i64>", variant="scalar"),
    T("dynamic_update_slice", "T T", "T", variant="scalar"),
    T("gather", "5xT 1xi32", "T", "dimension_numbers = #stablehlo.gather<collapsed_slice_dims = "
      "[0], start_index_map = [0]>, slice_sizes = array<i64: 1>", variant="scalar"),
    T("scatter", "5xT 1xi32 T", "5xT", "scatter_dimension_numbers = #stablehlo.scatter<"
      "inserted_window_dims = [0], scatter_dims_to_operand_dims = [0]>", fold("add"),
      variant="scalar"),
    T("reduce", "2x6xT T", "T", "dimensions = array<i64: 0, 1>", fold("add"),
      variant="to a scalar"),
    T("reduce", "T T", "T", "dimensions = array<i64>", fold("add"), variant="of a scalar"),
    T("map", "T T", "T", "dimensions = array<i64>", fold("add"), variant="scalar"),
    T("dot_general", "6xT 6xT", "T", _dot((), 0, 0), variant="to a scalar"),
    T("dot", "6xT 6xT", "T", variant="to a scalar"),
    T("rng_bit_generator", "2xui64", "2xui64 T", THREEFRY, variant="scalar"),
    T("if", "i1 T T", "T", used=1, variant="scalar",
      region=_at("", f"{branch('add')}, {branch('multiply')}")),
    T("while", "i32 T", "i32 T", variant="scalar",
      region=_at("", LOOP).replace("dims = [1]", "dims = []")),
    T("composite", "T", "T", 'name = "my.twice", decomposition = @twice', variant="scalar",
      others=_at("", TWICE)),
    T("all_reduce", "T", "T", ONE_GROUP, fold("add"), variant="scalar"),
)  # fmt: skip

MANY = (
    T("broadcast_in_dim", "2x3xT", "2x2x1x3x2x1x2xT", "broadcast_dimensions = array<i64: 1, 3>",
      variant="rank 7"),
    T("transpose", f"{SIX}T", "2x2x1x3x1x2xT", "permutation = array<i64: 5, 4, 3, 2, 1, 0>",
      variant="rank 6"),
    T("reverse", f"{SIX}T", f"{SIX}T", "dimensions = array<i64: 0, 2, 5>", variant="rank 6"),
    T("reshape", f"{SIX}T", "2x2x3x1x1x1x2xT", variant="rank 7"),
    T("iota", "", f"{SIX}T", "iota_dimension = 2 : i64", variant="rank 6"),
    T("slice", f"{SIX}T", "1x1x2x1x1x2xT", "start_indices = array<i64: 1, 0, 0, 0, 0, 0>, "
      "limit_indices = array<i64: 2, 1, 3, 1, 2, 2>, strides = array<i64: 1, 1, 2, 1, 2, 1>",
      variant="rank 6"),
    T("pad", f"{SIX}T T", "3x1x4x1x2x3xT", "edge_padding_low = array<i64: 1, 0, -1, 0, 0, 0>, "
      "edge_padding_high = array<i64: 0, 0, 0, 0, 0, 0>, "
      "interior_padding = array<i64: 0, 0, 1, 0, 0, 1>", variant="rank 6"),
    T("concatenate", f"{SIX}T {SIX}T", "2x1x6x1x2x2xT", "dimension = 2 : i64", variant="rank 6"),
    T("dynamic_slice", f"{SIX}T i32 i32 i32 i32 i32 i32", "1x1x2x1x2x1xT",
      "slice_sizes = array<i64: 1, 1, 2, 1, 2, 1>", variant="rank 6"),
    T("dynamic_update_slice", f"{SIX}T 1x1x2x1x2x1xT i32 i32 i32 i32 i32 i32", f"{SIX}T",
      variant="rank 6"),
    T("gather", f"{SIX}T 4x2xi32", "4x1x1x2x2xT", "dimension_numbers = #stablehlo.gather<"
      "offset_dims = [1, 2, 3, 4], collapsed_slice_dims = [0, 2], start_index_map = [2, 0], "
      "index_vector_dim = 1>, slice_sizes = array<i64: 1, 1, 1, 1, 2, 2>", variant="rank 6"),
    T("scatter", f"{SIX}T 4x2xi32 4x1x1x2x2xT", f"{SIX}T", "scatter_dimension_numbers = "
      "#stablehlo.scatter<update_window_dims = [1, 2, 3, 4], inserted_window_dims = [0, 2], "
      "scatter_dims_to_operand_dims = [2, 0], index_vector_dim = 1>", fold("add"),
      variant="rank 6"),
    T("reduce", f"{SIX}T T", "1x1x2xT", "dimensions = array<i64: 0, 2, 5>", fold("add"),
      variant="rank 6"),
    T("reduce_window", f"{SIX}T T", "1x1x2x1x2x1xT",
      "window_dimensions = array<i64: 2, 1, 2, 1, 1, 2>", fold("maximum"), variant="rank 6"),
    T("select_and_scatter", f"{SIX}T 1x1x2x1x2x1xT T", f"{SIX}T",
      "window_dimensions = array<i64: 2, 1, 2, 1, 1, 2>", order("GE") + ", " + fold("add"),
      variant="rank 6"),
    T("sort", f"{SIX}T", f"{SIX}T", "dimension = 2 : i64, is_stable = true", order("LT"),
      variant="rank 6"),
    T("map", f"{SIX}T {SIX}T", f"{SIX}T", f"dimensions = {ALL}", fold("add"), variant="rank 6"),
    T("dot_general", "2x1x3x1x2x5xT 2x1x3x1x5x4xT", "2x1x3x1x2x4xT", _dot((0, 1, 2, 3), 5, 4),
      variant="rank 6"),
    T("convolution", "1x3x4x2x3x2xT 2x2x1x2x2x3xT", "1x2x3x2x2x3xT", CONVOLUTION, variant="rank 6"),
    T("cholesky", "2x1x2x1x3x3xT", "2x1x2x1x3x3xT", "lower = false", variant="rank 6",
      values="positive"),
    T("triangular_solve", "2x1x2x1x3x3xT 2x1x2x1x3x2xT", "2x1x2x1x3x2xT", SOLVE, variant="rank 6",
      values="positive"),
    T("fft", "2x1x2x1x1x6xT", "2x1x2x1x1x6xT", FFT, variant="rank 6"),
    T("batch_norm_training", "2x1x3x1x2x3xT 3xT 3xT", "2x1x3x1x2x3xT 3xT 3xT",
      "epsilon = 0.125 : f32, feature_index = 5 : i64", variant="rank 6", values="moderate"),
    T("rng_bit_generator", "2xui64", f"2xui64 {SIX}T", THREEFRY, variant="rank 6"),
    T("if", f"i1 {SIX}T {SIX}T", f"{SIX}T", used=1, variant="rank 6",
      region=_at(SIX, f"{branch('add')}, {branch('multiply')}")),
    T("while", f"i32 {SIX}T", f"i32 {SIX}T", region=_at(SIX, LOOP), variant="rank 6"),
    T("chlo.top_k", "2x1x2x1x2x6xT", "2x1x2x1x2x3xT 2x1x2x1x2x3xi32", "k = 3 : i64",
      variant="rank 6"),
)  # fmt: skip

EXTENTS = (*EMPTY, *SCALAR, *MANY)
