"""The programs of the sweep: at least one for every operation of StableHLO and CHLO."""

from __future__ import annotations

from tests.sweep.template import Template as T
from tests.sweep.templates_calls import CALLS
from tests.sweep.templates_extents import EXTENTS, elementwise
from tests.sweep.templates_shapes import SHAPES

UNARY = [
    "cbrt",
    "ceil",
    "cosine",
    "count_leading_zeros",
    "exponential",
    "exponential_minus_one",
    "floor",
    "log",
    "log_plus_one",
    "logistic",
    "negate",
    "not",
    "optimization_barrier",
    "popcnt",
    "round_nearest_afz",
    "round_nearest_even",
    "rsqrt",
    "sign",
    "sine",
    "sqrt",
    "tan",
    "tanh",
]
CHLO_UNARY = [
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "bessel_i1e",
    "conj",
    "cosh",
    "digamma",
    "erf",
    "erf_inv",
    "erfc",
    "lgamma",
    "sinh",
    "square",
    "tan",
    "constant_like",
    "_asin_acos_kernel",
]
BINARY = [
    "add",
    "and",
    "atan2",
    "divide",
    "maximum",
    "minimum",
    "multiply",
    "or",
    "power",
    "remainder",
    "subtract",
    "xor",
]
SHIFTS = ["shift_left", "shift_right_arithmetic", "shift_right_logical"]
CHLO_BINARY = ["mulhi", "next_after", "polygamma", "zeta"]
BROADCASTING = (*BINARY, *SHIFTS, "next_after", "polygamma", "zeta")
DIRECTIONS = ["EQ", "NE", "GE", "GT", "LE", "LT"]
VALUES = {
    "bessel_i1e": "moderate", "digamma": "moderate", "lgamma": "moderate", "polygamma": "orders",
    "zeta": "orders", "acosh": "moderate", "power": "any", "_asin_acos_kernel": "moderate",
}  # fmt: skip
ATTRIBUTES = {"constant_like": "value = 1.0 : {R}"}


def _compare(direction: str, kind: str = "") -> T:
    attributes = f"comparison_direction = #stablehlo<comparison_direction {direction}>"
    if kind:
        attributes += f", compare_type = #stablehlo<comparison_type {kind}>"
    return T(
        "stablehlo.compare", "2x6xT 2x6xT", "2x6xi1", attributes, variant=f"{direction} {kind}"
    )


ELEMENTWISE = (
    *(T(f"stablehlo.{n}", "2x6xT", "2x6xT") for n in UNARY),
    *(
        T(f"chlo.{n}", "2x6xT", "2x6xT", ATTRIBUTES.get(n, ""), values=VALUES.get(n, "any"))
        for n in CHLO_UNARY
    ),
    T("stablehlo.abs", "2x6xT", "2x6xR"),
    T("stablehlo.real", "2x6xT", "2x6xR"),
    T("stablehlo.imag", "2x6xT", "2x6xR"),
    T("stablehlo.is_finite", "2x6xT", "2x6xi1"),
    *(T(f"chlo.{n}", "2x6xT", "2x6xi1") for n in ("is_inf", "is_pos_inf", "is_neg_inf")),
    *(T(f"stablehlo.{n}", "2x6xT 2x6xT", "2x6xT") for n in BINARY),
    *(T(f"stablehlo.{n}", "2x6xT 2x6xT", "2x6xT", values="shifts") for n in SHIFTS),
    *(
        T(f"chlo.{n}", "2x6xT 2x6xT", "2x6xT", values=VALUES.get(n, "any"))
        for n in CHLO_BINARY
    ),
    *(
        T(
            f"chlo.broadcast_{n}", "2x6xT 6xT", "2x6xT", "broadcast_dimensions = array<i64: 1>",
            values="shifts" if n in SHIFTS else VALUES.get(n, "any"),
        )
        for n in BROADCASTING
    ),
    T("chlo.broadcast_complex", "2x6xT 6xT", "2x6xC", "broadcast_dimensions = array<i64: 1>"),
    T(
        "chlo.broadcast_compare", "2x6xT 6xT", "2x6xi1",
        "broadcast_dimensions = array<i64: 1>, "
        "comparison_direction = #chlo<comparison_direction LT>",
    ),
    T("chlo.broadcast_select", "2x6xi1 2x6xT T", "2x6xT"),
    T("stablehlo.complex", "2x6xT 2x6xT", "2x6xC"),
    *(_compare(d) for d in DIRECTIONS),
    *(_compare(d, "TOTALORDER") for d in DIRECTIONS),
    T("stablehlo.select", "2x6xi1 2x6xT 2x6xT", "2x6xT"),
    T("stablehlo.select", "i1 2x6xT 2x6xT", "2x6xT", variant="scalar"),
    T("stablehlo.clamp", "2x6xT 2x6xT 2x6xT", "2x6xT", values="ordered"),
    T("stablehlo.clamp", "T 2x6xT T", "2x6xT", values="ordered", variant="scalar"),
    T("stablehlo.reduce_precision", "2x6xT", "2x6xT",
      "exponent_bits = 4 : i32, mantissa_bits = 2 : i32"),
    *(T("stablehlo.convert", "2x6xT", f"2x6x{to}", variant=f"to {to}")
      for to in ("i1", "i4", "ui8", "i32", "i64", "f16", "bf16", "f32", "f64", "complex<f32>",
                 "f8E5M2", "f8E4M3FN", "f4E2M1FN")),
    *(T("stablehlo.convert", f"2x6x{of}", "2x6xT", variant=f"of {of}")
      for of in ("i1", "i4", "ui8", "i32", "i64", "f16", "bf16", "f32", "f64", "complex<f32>",
                 "f8E5M2", "f8E4M3FN", "f4E2M1FN")),
    T("stablehlo.bitcast_convert", "2x6xT", "2x6xU", variant="to bits"),
    T("stablehlo.bitcast_convert", "2x6xU", "2x6xT", variant="of bits"),
    T("stablehlo.bitcast_convert", "2x6xT", "2x6xT", variant="to itself"),
    T("stablehlo.uniform_quantize", "2x3xf32", "2x3xT"),
    T("stablehlo.uniform_dequantize", "2x3xT", "2x3xf32"),
)  # fmt: skip

TEMPLATES: tuple[T, ...] = (*ELEMENTWISE, *SHAPES, *CALLS, *elementwise(ELEMENTWISE), *EXTENTS)
