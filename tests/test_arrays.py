"""Arrays keep every element type through a file, and a wrong one is one clear error."""

from __future__ import annotations

import random
from contextlib import suppress
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from neuronc.arrays import (
    in_order,
    random_inputs,
    read_inputs,
    read_npz,
    storable,
    write_npz,
    write_outputs,
)
from neuronc.artifact.model import TensorInfo
from neuronc.dtypes import ELEMENT_TYPES
from neuronc.errors import InputError

X = TensorInfo("params['x']", (2, 3), "f32")
B = TensorInfo("arg1", (4,), "bf16")
ONES, HALVES = np.ones((2, 3), np.float32), np.full(4, 0.5, ml_dtypes.bfloat16)


@pytest.mark.parametrize("row", ELEMENT_TYPES, ids=lambda row: row.name)
def test_every_element_type_comes_back(row, tmp_path: Path):
    info = TensorInfo("arg0", (5, 3), row.name)
    (array,) = random_inputs([info], seed=3)
    assert array.dtype == row.numpy
    write_npz(tmp_path / "inputs.npz", {"arg0": array})
    with np.load(tmp_path / "inputs.npz") as file:
        assert file["arg0"].dtype.isbuiltin == 1
        assert file["arg0"].dtype.itemsize == row.bytes
    (found,) = read_inputs(tmp_path / "inputs.npz", [info])
    assert found.dtype == row.numpy
    assert found.tobytes() == array.tobytes()
    assert found.shape == info.shape


def test_raw_bytes_of_savez_are_taken_for_a_type_it_cannot_name(tmp_path: Path):
    np.savez(tmp_path / "inputs.npz", arg0=HALVES)
    (found,) = read_inputs(tmp_path / "inputs.npz", [B])
    assert found.dtype == ml_dtypes.bfloat16
    assert found.tobytes() == HALVES.tobytes()


def test_other_byte_orders_are_taken(tmp_path: Path):
    np.savez(tmp_path / "inputs.npz", arg0=np.arange(6, dtype=">f4").reshape(2, 3))
    (found,) = read_inputs(tmp_path / "inputs.npz", [X])
    np.testing.assert_array_equal(found, np.arange(6, dtype=np.float32).reshape(2, 3))
    assert found.dtype == np.dtype("<f4")


def test_inputs_are_found_by_position_or_name_in_any_order():
    for x_name in ("arg0", "params['x']"):
        found = in_order({"arg1": HALVES, x_name: ONES}, [X, B], "arg", "inputs.npz")
        assert found[0] is not found[1]
        np.testing.assert_array_equal(found[0], ONES)


def test_outputs_are_named_by_position(tmp_path: Path):
    write_outputs(tmp_path / "outputs.npz", [ONES, HALVES])
    found = read_npz(tmp_path / "outputs.npz")
    assert list(found) == ["out0", "out1"]
    assert found["out1"].dtype == np.uint16


def test_the_same_arrays_give_the_same_bytes(tmp_path: Path):
    for name in "ab":
        write_npz(tmp_path / name, {"arg0": ONES, "arg1": HALVES})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_scalars_and_strided_arrays_keep_their_shape():
    assert storable(np.array(1.5, ml_dtypes.bfloat16)).shape == ()
    assert storable(np.ones((2, 3), ml_dtypes.bfloat16).T).shape == (3, 2)


def test_random_inputs_depend_on_the_seed_alone():
    one, two = (random_inputs([X, B], seed=5) for _ in range(2))
    assert all(a.tobytes() == b.tobytes() for a, b in zip(one, two, strict=True))
    assert random_inputs([X], seed=6)[0].tobytes() != one[0].tobytes()


WRONG = {
    "missing": ({"arg0": ONES}, "arg1 missing"),
    "unknown": ({"arg0": ONES, "arg1": HALVES, "y": ONES}, "y not known"),
    "misnamed": ({"x": ONES, "arg1": HALVES}, "arg0 missing; x not known"),
    "given twice": ({"arg0": ONES, "params['x']": ONES, "arg1": HALVES}, "arg0 not known"),
    "shape": ({"arg0": ONES.T, "arg1": HALVES}, r"shape is \[3, 2\], \[2, 3\] is needed"),
    "type": ({"arg0": ONES.astype("f8"), "arg1": HALVES}, r"float64, f32 \(float32\) is needed"),
    "bits": ({"arg0": ONES, "arg1": np.ones(4, "u4")}, r"uint32, bf16 \(uint16\) is needed"),
    "bits of a type with a name": ({"arg0": ONES.view("u4"), "arg1": HALVES}, "type is uint32"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_inputs_are_one_clear_error(case: str):
    arrays, message = WRONG[case]
    with pytest.raises(InputError, match=message):
        in_order(arrays, [X, B], "arg", "inputs.npz")


def test_a_file_that_is_no_npz_is_one_clear_error(tmp_path: Path):
    path = tmp_path / "inputs.npz"
    with pytest.raises(InputError, match="cannot read: No such file or directory"):
        read_npz(path)
    for data in (b"", b"PK", b"hello", b"PK\3\4" + bytes(50)):
        path.write_bytes(data)
        with pytest.raises(InputError, match=r"not a \.npz file"):
            read_npz(path)
    np.save(tmp_path / "one.npy", ONES)
    with pytest.raises(InputError, match="one array without a name"):
        read_npz(tmp_path / "one.npy")
    np.savez(path, arg0=np.array([{}], object))
    with pytest.raises(InputError, match=r"not a \.npz file"):
        read_npz(path)
    with pytest.raises(InputError, match="cannot read: Is a directory"):
        read_npz(tmp_path)


def test_damage_is_an_error_or_loads(tmp_path: Path):
    path = tmp_path / "inputs.npz"
    write_npz(path, {"arg0": ONES, "arg1": HALVES})
    data = path.read_bytes()
    rng = random.Random(0)
    for _ in range(1000):
        damaged = bytearray(data[: rng.choice((len(data), rng.randrange(1, len(data))))])
        damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        path.write_bytes(damaged)
        with suppress(InputError):
            read_npz(path)
