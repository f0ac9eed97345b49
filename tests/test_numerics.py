"""Elementwise functions against JAX on CPU, mpmath and the integers of Python."""

from __future__ import annotations

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import jax.scipy.special as jsp
import ml_dtypes
import numpy as np
import pytest
from jax import lax

from neuronc.dtypes import BY_NAME, ELEMENT_TYPES, ElementType
from neuronc.numerics import BY_CODE, FUNCTIONS, REDUCTIONS, cast

# Computed with mpmath 1.3 at 30 digits.
MPMATH = (
    ("erf", (0.1,), 0.1124629160182849),
    ("erf", (0.9,), 0.7969082124228322),
    ("erf", (1.1,), 0.8802050695740817),
    ("erf", (3.5,), 0.9999992569016276),
    ("erf", (-2.0,), -0.9953222650189527),
    ("erfc", (0.1,), 0.887537083981715),
    ("erfc", (1.1,), 0.11979493042591827),
    ("erfc", (5.0,), 1.537459794428035e-12),
    ("erfc", (20.0,), 5.395865611607901e-176),
    ("erfc", (-2.0,), 1.9953222650189528),
    ("erf_inv", (0.1,), 0.08885599049425769),
    ("erf_inv", (-0.5,), -0.4769362762044699),
    ("erf_inv", (0.9,), 1.1630871536766743),
    ("erf_inv", (0.999999,), 3.458910737275499),
    ("erf_inv", (1e-09,), 8.86226925452758e-10),
    ("lgamma", (0.25,), 1.2880225246980774),
    ("lgamma", (0.75,), 0.20328095143129538),
    ("lgamma", (1.001,), -0.0005763935982833062),
    ("lgamma", (1.999,), -0.0004224618006921073),
    ("lgamma", (3.5,), 1.2009736023470743),
    ("lgamma", (20.0,), 39.339884187199495),
    ("lgamma", (-1.5,), 0.860047015376481),
    ("lgamma", (1000.0,), 5905.220423209181),
    ("digamma", (0.25,), -4.2274535333762655),
    ("digamma", (1.5,), 0.03648997397857652),
    ("digamma", (3.0,), 0.9227843350984671),
    ("digamma", (50.0,), 3.901989673427892),
    ("digamma", (-1.5,), 0.7031566406452432),
    ("bessel_i1e", (0.5,), 0.1564208031848717),
    ("bessel_i1e", (-3.0,), -0.19682671329730086),
    ("bessel_i1e", (4.0,), 0.17875083950243534),
    ("bessel_i1e", (60.0,), 0.05117963018902872),
    ("logistic", (0.5,), 0.6224593312018546),
    ("logistic", (-30.0,), 9.357622968839299e-14),
    ("logistic", (3.0,), 0.9525741268224333),
    ("log_plus_one", (1e-10,), 9.999999999500001e-11),
    ("log_plus_one", (0.5,), 0.4054651081081644),
    ("log_plus_one", (-0.75,), -1.3862943611198906),
    ("exponential_minus_one", (1e-10,), 1.00000000005e-10),
    ("exponential_minus_one", (0.5,), 0.6487212707001282),
    ("exponential_minus_one", (-5.0,), -0.9932620530009145),
    ("cbrt", (2.0,), 1.2599210498948732),
    ("cbrt", (0.3,), 0.6694329500821695),
    ("tan", (1.5,), 14.101419947171719),
    ("tan", (-40.0,), 1.117214930923896),
    ("zeta", (2.5, 0.5), 6.247110634568812),
    ("zeta", (4.0, 3.0), 0.019823233711138193),
    ("polygamma", (1.0, 0.5), 4.934802200544679),
    ("polygamma", (3.0, 2.5), 0.22390584881725206),
    ("gelu", (-1.0,), -0.15865525393145705),
    ("gelu", (0.25,), 0.14967658142073093),
    ("gelu", (3.0,), 2.99595030590511),
    ("gelu_tanh", (-1.0,), -0.1588080093917233),
    ("gelu_tanh", (0.25,), 0.149675350701685),
    ("gelu_tanh", (3.0,), 2.996362607918227),
    ("gelu_sigmoid", (-1.0,), -0.1542042340671787),
    ("gelu_sigmoid", (0.25,), 0.1511996499001942),
    ("gelu_sigmoid", (3.0,), 2.981928690292214),
    ("silu", (-1.0,), -0.2689414213699951),
    ("silu", (0.25,), 0.14054412522144952),
    ("silu", (3.0,), 2.8577223804672998),
    ("softplus", (-1.0,), 0.3132616875182228),
    ("softplus", (0.25,), 0.8259394198788436),
    ("softplus", (3.0,), 3.048587351573742),
    ("mish", (-1.0,), -0.3034014613741089),
    ("mish", (0.25,), 0.1695724096638176),
    ("mish", (3.0,), 2.9865350049679575),
)

# jax.numpy and lax are the independent implementation; ranges avoid the poles.
JAX_UNARY = {
    "abs": (jnp.abs, -5, 5),
    "gelu": (partial(jax.nn.gelu, approximate=False), -10, 10),
    "gelu_tanh": (partial(jax.nn.gelu, approximate=True), -3, 10),
    "mish": (jax.nn.mish, -10, 30),
    "silu": (jax.nn.silu, -30, 30),
    "softplus": (jax.nn.softplus, -30, 30),
    "acos": (jnp.arccos, -1, 1),
    "acosh": (jnp.arccosh, 1, 50),
    "asin": (jnp.arcsin, -1, 1),
    "asinh": (jnp.arcsinh, -50, 50),
    "atan": (jnp.arctan, -50, 50),
    "atanh": (jnp.arctanh, -0.9, 0.9),
    "cbrt": (jnp.cbrt, -50, 50),
    "ceil": (jnp.ceil, -5, 5),
    "cosh": (jnp.cosh, -10, 10),
    "cosine": (jnp.cos, -50, 50),
    "erf": (jsp.erf, -4, 4),
    "exponential": (jnp.exp, -80, 80),
    "exponential_minus_one": (jnp.expm1, -5, 5),
    "floor": (jnp.floor, -5, 5),
    "is_finite": (jnp.isfinite, -5, 5),
    "is_inf": (jnp.isinf, -5, 5),
    "is_neg_inf": (jnp.isneginf, -5, 5),
    "is_pos_inf": (jnp.isposinf, -5, 5),
    "log": (jnp.log, 0.01, 50),
    "log_plus_one": (jnp.log1p, -0.9, 5),
    "logistic": (jax.nn.sigmoid, -20, 20),
    "negate": (jnp.negative, -5, 5),
    "round_nearest_afz": (lax.round, -5, 5),
    "round_nearest_even": (jnp.round, -5, 5),
    "rsqrt": (lax.rsqrt, 0.01, 50),
    "sign": (jnp.sign, -5, 5),
    "sine": (jnp.sin, -50, 50),
    "sinh": (jnp.sinh, -10, 10),
    "sqrt": (jnp.sqrt, 0, 50),
    "square": (jnp.square, -5, 5),
    "tan": (jnp.tan, -1.5, 1.5),
    "tanh": (jnp.tanh, -5, 5),
}
JAX_INTEGER = {
    "add": lax.add,
    "and": lax.bitwise_and,
    "divide": lax.div,
    "maximum": lax.max,
    "minimum": lax.min,
    "mulhi": lax.mulhi,
    "multiply": lax.mul,
    "or": lax.bitwise_or,
    "remainder": lax.rem,
    "shift_left": lax.shift_left,
    "shift_right_arithmetic": lax.shift_right_arithmetic,
    "shift_right_logical": lax.shift_right_logical,
    "subtract": lax.sub,
    "xor": lax.bitwise_xor,
}
SPECIAL = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 0.5, -0.5, 2.5, -2.5], np.float32)


def ulps(got: np.ndarray, want: np.ndarray) -> float:
    """The largest difference in units of the last place of `want`."""
    if want.dtype == np.bool_:
        return float(np.count_nonzero(got != want))
    both = (got == want) | (np.isnan(got) & np.isnan(want))
    with np.errstate(all="ignore"):
        apart = np.abs(got.astype(np.float64) - want.astype(np.float64))
        apart = apart / np.spacing(np.abs(want)).astype(np.float64)
    return float(np.max(np.where(both, 0, apart), initial=0))


def test_codes_and_names_are_unique() -> None:
    assert len(BY_CODE) == len(FUNCTIONS)
    assert all(0 < code < 256 for code in BY_CODE)
    assert all(FUNCTIONS[name].code == row.code for name, row in REDUCTIONS.items())


@pytest.mark.parametrize(("name", "arguments", "want"), MPMATH)
def test_special_functions_agree_with_mpmath(
    name: str, arguments: tuple[float, ...], want: float
) -> None:
    got = FUNCTIONS[name].evaluate(*(np.asarray(a) for a in arguments))
    assert ulps(got, np.asarray(want)) <= 3


@pytest.mark.parametrize("name", JAX_UNARY)
def test_floats_agree_with_jax(name: str) -> None:
    function, low, high = JAX_UNARY[name]
    x = np.random.default_rng(0).uniform(low, high, 4096).astype(np.float32)
    # JAX computes in float64 and is rounded once; its float32 sinh alone is 9 ULP off.
    with jax.enable_x64(True):
        for values in (x, SPECIAL):
            want = np.asarray(function(values.astype(np.float64)))
            want = want.astype(np.float32) if want.dtype != np.bool_ else want
            assert ulps(FUNCTIONS[name].evaluate(values), want) <= 1


@pytest.mark.parametrize("name", JAX_INTEGER)
@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.uint32])
def test_integers_agree_with_jax(name: str, dtype: type) -> None:
    if name == "mulhi" and not hasattr(lax, "mulhi"):
        pytest.skip("this JAX has no mulhi")
    info = np.iinfo(dtype)
    edges = [info.min, info.min + 1, 0, 1, 2, 5, 7, 31, 100, info.max - 1, info.max]
    edges += [-1, -2, -7] if info.min else []
    x, y = np.array(list(itertools.product(edges, edges)), dtype).T
    got = FUNCTIONS[name].evaluate(x, y)
    np.testing.assert_array_equal(got, np.asarray(JAX_INTEGER[name](x, y)))


@pytest.mark.parametrize("name", [n for n, row in FUNCTIONS.items() if row.into and row.arity == 1])
def test_in_place_agrees_with_evaluate_and_may_alias(name: str) -> None:
    row = FUNCTIONS[name]
    if not set("fs") & set(row.into_kinds):
        pytest.skip("not for floats")
    high = 0.99 if name in ("acos", "asin", "atanh", "erf_inv") else 3
    x = np.random.default_rng(1).uniform(0.01, high, (64, 32)).astype(np.float32)
    want = row.evaluate(x)
    out = x if want.dtype == x.dtype else np.empty(x.shape, want.dtype)
    with np.errstate(all="ignore"):
        row.in_place(x.dtype)(x, out=out)
    # "a few ULP": NumPy documents 4 for its vectorised log, and erf is a float32 ratio
    assert ulps(out, want) <= 8


def test_select_in_place_keeps_bits_and_may_alias() -> None:
    a = np.array([np.nan, -0.0, 1.0, np.inf], np.float32)
    b = np.array([5.0, np.nan, -1.0, 0.0], np.float32)
    pick = np.array([True, False, False, True])
    want = np.where(pick, a, b)
    FUNCTIONS["select"].in_place(a.dtype)(pick, a, b, out=b)
    np.testing.assert_array_equal(b.view(np.int32), want.view(np.int32))


@pytest.mark.parametrize("name", ["i4", "ui4", "i2", "ui2"])
def test_sub_byte_integers_wrap(name: str) -> None:
    dtype = BY_NAME[name].numpy
    info = ml_dtypes.iinfo(dtype)
    values = np.arange(int(info.min), int(info.max) + 1)
    x, y = (v.ravel() for v in np.meshgrid(values, values))
    modulus = 1 << info.bits
    for op, function in (("add", np.add), ("multiply", np.multiply), ("subtract", np.subtract)):
        got = FUNCTIONS[op].evaluate(x.astype(dtype), y.astype(dtype)).astype(np.int64)
        want = (function(x, y) - int(info.min)) % modulus + int(info.min)
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("source", [np.float32, np.int32, np.uint8, np.bool_, np.float16])
@pytest.mark.parametrize("target", ["i8", "ui8", "i32", "ui32", "f16", "bf16", "f32", "i1"])
def test_cast_agrees_with_jax(source: type, target: str) -> None:
    numbers = [0, 1, 2, 127, 128, 200]
    if source in (np.float32, np.float16):
        numbers += [-1.5, 2.7, -300.0, 6e4, np.inf, -np.inf, np.nan, 0.3]
    x = np.array(numbers).astype(source)
    dtype = BY_NAME[target].numpy
    got, want = cast(x, dtype), np.asarray(lax.convert_element_type(x, dtype))
    assert got.dtype == want.dtype
    np.testing.assert_array_equal(got.astype(np.float64), want.astype(np.float64))


BYTE_FLOATS = [r for r in ELEMENT_TYPES if r.is_float and r.bytes == 1]


@pytest.mark.parametrize("row", BYTE_FLOATS, ids=lambda row: row.name)
def test_rounding_to_byte_floats_is_that_of_ml_dtypes(row: ElementType) -> None:
    exact = np.arange(256).astype(np.uint8).view(row.numpy).astype(np.float32)
    near = np.sort(exact[np.isfinite(exact)])
    half = ((near[1:].astype(np.float64) + near[:-1]) / 2).astype(np.float32)
    above, below = np.nextafter(half, np.float32(np.inf)), np.nextafter(half, np.float32(-np.inf))
    some = np.random.default_rng(0).integers(0, 2**32, 10000, dtype=np.uint32).view(np.float32)
    with np.errstate(all="ignore"):
        x = np.concatenate([exact, half, above, below, some])
        got, want = cast(x, row.numpy), x.astype(row.numpy)
    np.testing.assert_array_equal(got.astype(np.float32), want.astype(np.float32))
    np.testing.assert_array_equal(cast(want, np.float32), want.astype(np.float32))


def test_erf_inv_in_place_reaches_infinity() -> None:
    x = np.array([-1, 0, 1, 1.5, 0.9999999], np.float32)
    out = np.empty_like(x)
    with np.errstate(all="ignore"):
        FUNCTIONS["erf_inv"].in_place(x.dtype)(x, out=out)
    assert ulps(out, FUNCTIONS["erf_inv"].evaluate(x)) <= 4


@pytest.mark.parametrize("row", ELEMENT_TYPES, ids=lambda row: row.name)
def test_identities_are_neutral(row: ElementType) -> None:
    element = row
    for name in ("add", "multiply", "maximum", "minimum"):
        if element.is_complex and name in ("maximum", "minimum"):
            continue
        if element.name == "f8E8M0FNU" and name == "add":
            continue  # it has no zero
        one = np.ones(3, np.bool_).astype(element.numpy)
        identity = REDUCTIONS[name].identity(element.numpy)
        got = FUNCTIONS[name].evaluate(np.broadcast_to(identity, 3), one)
        np.testing.assert_array_equal(got.astype(np.complex128), one.astype(np.complex128))


def test_float8_e5m2_is_computed_as_its_siblings_are() -> None:
    """Its dtype says kind f, as NumPy's own floats do."""
    x = np.array([0.5, 1.5, np.inf, np.nan]).astype(ml_dtypes.float8_e5m2)
    wide = x.astype(np.float32)
    for name in ("sign", "negate", "sine", "floor"):
        want = FUNCTIONS[name].evaluate(wide).astype(x.dtype).astype(np.float32)
        got = FUNCTIONS[name].evaluate(x).astype(np.float32)
        np.testing.assert_array_equal(got, want)
    assert FUNCTIONS["next_after"].evaluate(x, -x)[0] == np.float32(0.4375)


@pytest.mark.parametrize("name", ["float4_e2m1fn", "float8_e4m3fnuz", "float8_e4m3", "float8_e5m2"])
def test_total_order_of_byte_floats_is_that_of_their_values(name: str) -> None:
    dtype = np.dtype(getattr(ml_dtypes, name))
    count = 1 << ml_dtypes.finfo(dtype).bits
    x = np.arange(count).astype(np.uint8).view(dtype)
    x = x[~np.isnan(x.astype(np.float32))]
    less = FUNCTIONS["lt_total"].evaluate(x[:, None], x[None])
    value = x.astype(np.float32)
    sign = np.signbit(value)
    want = (value[:, None] < value) | ((value[:, None] == value) & sign[:, None] & ~sign)
    np.testing.assert_array_equal(less, want)


@pytest.mark.parametrize("name", ["float4_e2m1fn", "float8_e4m3fnuz", "float8_e5m2"])
def test_next_after_walks_through_all_values(name: str) -> None:
    dtype = np.dtype(getattr(ml_dtypes, name))
    count = 1 << ml_dtypes.finfo(dtype).bits
    values = np.arange(count).astype(np.uint8).view(dtype).astype(np.float32)
    values = np.unique(values[np.isfinite(values)])
    top = np.full(len(values) - 1, values[-1]).astype(dtype)
    stepped = FUNCTIONS["next_after"].evaluate(values[:-1].astype(dtype), top)
    np.testing.assert_array_equal(stepped.astype(np.float32), values[1:])


def test_sub_byte_shifts_fill_with_the_sign_of_their_own_width() -> None:
    x = np.array([9, 7, 15], np.uint8).astype(ml_dtypes.uint4)
    one = np.ones(3, np.uint8).astype(ml_dtypes.uint4)
    got = FUNCTIONS["shift_right_arithmetic"].evaluate(x, one)
    np.testing.assert_array_equal(got.astype(int), [12, 3, 15])


def test_a_complex_number_is_true_by_its_real_part() -> None:
    """As XLA converts."""
    assert cast(np.array([1j, 1, 0]), np.bool_).tolist() == [False, True, False]


def test_the_logistic_function_of_minus_infinity_is_zero() -> None:
    assert FUNCTIONS["logistic"].evaluate(np.array([-np.inf + 1j]))[0] == 0
