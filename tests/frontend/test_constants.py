"""Payloads arrive bit by bit, whatever their type; large ones are views, splats one element."""

import ml_dtypes
import numpy as np
import pytest

from neuronc.dialects.stablehlo.constant import ConstantOp
from neuronc.dialects.stablehlo.weight import Weight, is_splat
from neuronc.dtypes import ELEMENT_TYPES
from neuronc.frontend.load import load_module

COUNT = 200
"""Enough elements that MLIR prints them as one hexadecimal string."""

WIDTHS = {"i2": 2, "ui2": 2, "i4": 4, "ui4": 4, "f4E2M1FN": 4, "f6E2M3FN": 6, "f6E3M2FN": 6}


def load_constant(literal, shape, element):
    extents = "".join(f"{extent}x" for extent in shape)
    type_ = f"tensor<{extents}{element}>"
    module = load_module(
        f"func.func @main() -> {type_} {{\n"
        f"  %0 = stablehlo.constant {literal} : {type_}\n  return %0 : {type_}\n}}"
    )
    (op,) = [op for op in module.walk() if isinstance(op, ConstantOp)]
    return op.value.array


def random_bits(row, count):
    """Elements with random bits, NaN payloads included."""
    random = np.random.default_rng(row.code)
    if row.name == "i1":
        return random.integers(0, 2, count).astype(bool)
    raw = random.integers(0, 256, count * row.bytes, dtype=np.uint8)
    if row.name in WIDTHS and row.is_integer:
        low = raw.astype(np.int64) & ((1 << WIDTHS[row.name]) - 1)
        return low.astype(np.uint8).view(np.int8).astype(row.numpy)
    if row.name in WIDTHS:
        raw &= (1 << WIDTHS[row.name]) - 1
    return raw.view(row.numpy)


def hexadecimal(values):
    return 'dense<"0x' + values.tobytes().hex().upper() + '">'


@pytest.mark.parametrize("row", ELEMENT_TYPES, ids=lambda row: row.name)
def test_large_payloads_arrive_bit_by_bit(row):
    values = random_bits(row, COUNT)
    loaded = load_constant(hexadecimal(values), (COUNT,), row.name)
    assert loaded.dtype == row.numpy
    assert loaded.tobytes() == values.tobytes()


@pytest.mark.parametrize("row", ELEMENT_TYPES, ids=lambda row: row.name)
def test_small_payloads_arrive_in_row_major_order(row):
    word = {"i1": ("false", "true")}.get(row.name, ("0", "1"))
    if not row.is_integer and row.name != "i1":
        word = ("1.0", "2.0")
    if row.is_complex:
        word = ("(1.0,-2.0)", "(0.5,0x7FF8000000000000)")
        word = word if row.bytes == 16 else ("(1.0,-2.0)", "(0.5,0x7FC00000)")
    loaded = load_constant(f"dense<[[{word[0]}], [{word[1]}]]>", (2, 1), row.name)
    want = np.array([[complex(1, -2)], [complex(0.5, np.nan)]]) if row.is_complex else None
    if want is None:
        want = np.array([[0], [1]] if word[0] in ("0", "false") else [[1.0], [2.0]])
    assert loaded.shape == (2, 1)
    assert loaded.dtype == row.numpy
    np.testing.assert_array_equal(loaded, want.astype(row.numpy))


@pytest.mark.parametrize("row", ELEMENT_TYPES, ids=lambda row: row.name)
def test_splats_stay_one_element(row):
    word = "true" if row.name == "i1" else "1" if row.is_integer else "1.0"
    word = "(1.0,1.0)" if row.is_complex else word
    loaded = load_constant(f"dense<{word}>", (1000, 1000), row.name)
    assert is_splat(loaded)
    assert loaded.shape == (1000, 1000)
    assert loaded[999, 999] == np.array(1 + 1j if row.is_complex else 1).astype(row.numpy)


@pytest.mark.parametrize("name", ["f32", "bf16", "i4", "complex<f32>"])
def test_an_empty_payload_has_its_shape(name):
    assert load_constant("dense<>", (0, 3), name).shape == (0, 3)


@pytest.mark.parametrize(
    ("word", "name", "bits"),
    [
        ("0x7FC1", "bf16", 0x7FC1),
        ("0xFF80", "bf16", 0xFF80),
        ("0x7F800001", "f32", 0x7F800001),
        ("-0.0", "f32", 0x80000000),
        ("-0.0", "bf16", 0x8000),
        ("0x7F", "f8E4M3FN", 0x7F),
        ("1.0e-45", "f32", 1),
        ("9.183550e-41", "bf16", 1),
    ],
)
def test_bits_that_decimals_cannot_say_survive(word, name, bits):
    loaded = load_constant(f"dense<[{word}, {word}]>", (2,), name)
    assert loaded.view(f"u{loaded.itemsize}").tolist() == [bits, bits]


def test_large_payloads_are_not_copied():
    loaded = load_constant(hexadecimal(np.arange(COUNT, dtype=np.float32)), (COUNT,), "f32")
    assert not loaded.flags.owndata
    assert not loaded.flags.writeable


def test_payloads_outlive_everything_they_came_from():
    import gc

    loaded = load_constant(hexadecimal(np.arange(COUNT, dtype=np.float32)), (COUNT,), "f32")
    gc.collect()
    np.testing.assert_array_equal(loaded, np.arange(COUNT, dtype=np.float32))


def test_resources_are_read():
    module = load_module(
        "func.func @main() -> tensor<2xf32> {\n"
        "  %0 = stablehlo.constant dense_resource<w> : tensor<2xf32>\n"
        "  return %0 : tensor<2xf32>\n}\n"
        '{-# dialect_resources: { builtin: { w: "0x040000000000803F00000040" } } #-}'
    )
    (op,) = [op for op in module.walk() if isinstance(op, ConstantOp)]
    assert op.value.array.tolist() == [1.0, 2.0]


def test_weights_are_equal_by_content_when_small_and_by_identity_when_large():
    small, large = np.arange(16), np.arange(17)
    assert Weight.of(small) == Weight.of(small.copy())
    assert hash(Weight.of(small)) == hash(Weight.of(small.copy()))
    assert Weight.of(small) != Weight.of(small.astype(np.int32))
    assert Weight.of(large) == Weight.of(large)
    assert Weight.of(large) != Weight.of(large.copy())
    zero = np.zeros((), ml_dtypes.float8_e4m3fn)
    assert Weight.of(zero) != Weight.of(zero.astype(ml_dtypes.float8_e5m2))


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (np.array([1.0, 0.1], np.float32), '<"f32", [2], "1.0 0.10000000149011612">'),
        (np.array([True]), '<"i1", [1], "True">'),
        (np.arange(17), '<"i64", [17], "...">'),
        (np.broadcast_to(np.float32(2), (9, 9)), '<"f32", [9, 9], "2.0">'),
        (np.array([0x7FC1], np.uint16).view(ml_dtypes.bfloat16), '<"bf16", [1], "0xc17f">'),
    ],
)
def test_weights_print_small_values_and_large_shapes(array, text):
    assert str(Weight.of(array)) == "#stablehlo.weight" + text
