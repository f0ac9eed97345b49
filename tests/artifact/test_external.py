"""External weights are mapped, checked by shape and type, and may be replaced."""

from __future__ import annotations

import json
import random
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from sample import tiny

from neuronc.artifact import container
from neuronc.artifact.constants import sha256_of
from neuronc.artifact.external import STORED_AS, attach, read_tensors, replaced
from neuronc.artifact.model import Artifact, Constant
from neuronc.backend.external_weights import externalize, write_external
from neuronc.dtypes import ELEMENT_TYPES
from neuronc.errors import InputError

WEIGHTS = np.arange(32, dtype=np.float32).reshape(4, 8)


def artifact_with(**arrays: np.ndarray) -> Artifact:
    rows = {r.numpy: r.name for r in ELEMENT_TYPES}
    constants = [
        Constant(a, rows[a.dtype], a.shape, name, sha256_of(a)) for name, a in arrays.items()
    ]
    return replace(tiny(), constants=tuple(constants))


def test_weights_come_back_without_a_copy(tmp_path: Path):
    write_external(tmp_path / "w.safetensors", artifact_with(w=WEIGHTS))
    container.write(artifact_with(w=WEIGHTS), tmp_path / "model.neff")
    loaded = container.read(tmp_path / "model.neff", check=True)
    assert loaded.constants[0].array is None
    found = attach(loaded, tmp_path / "w.safetensors", check=True).constants[0].array
    assert found is not None
    np.testing.assert_array_equal(found, WEIGHTS)
    assert not found.flags.owndata
    assert not found.flags.writeable


def test_large_constants_become_external_and_small_and_complex_ones_stay(tmp_path: Path):
    path = tmp_path / "w.safetensors"
    small, large = np.ones(255, np.float32), np.ones(256, np.float32)
    arrays = (small, large, large.astype(np.complex64))
    named = [
        Constant(a, n, a.shape) for a, n in zip(arrays, ("f32", "f32", "complex<f32>"), strict=True)
    ]
    artifact = externalize(replace(tiny(), constants=tuple(named)))
    assert [c.external for c in artifact.constants] == ["", "constant1", ""]
    write_external(path, artifact)
    assert list(load_file(path)) == ["constant1"]
    assert not replaced(attach(artifact, path, check=True))


def test_the_artifact_does_not_hold_external_weights(tmp_path: Path):
    write_external(tmp_path / "w.safetensors", artifact_with(w=WEIGHTS))
    without = container.to_bytes(artifact_with(w=WEIGHTS))
    attached = attach(artifact_with(w=WEIGHTS), tmp_path / "w.safetensors")
    assert container.to_bytes(attached) == without
    assert len(without) < len(container.to_bytes(tiny()))


@pytest.mark.parametrize("row", ELEMENT_TYPES, ids=lambda row: row.name)
def test_every_element_type_comes_back_or_is_said_to_stay(row, tmp_path: Path):
    array = np.arange(6).astype(np.int8).astype(row.numpy).reshape(2, 3)
    assert (row.name in STORED_AS) == (not row.is_complex)
    if row.is_complex:
        return
    write_external(tmp_path / "w.safetensors", artifact_with(w=array))
    found = attach(artifact_with(w=array), tmp_path / "w.safetensors", check=True).constants[0]
    assert found.array is not None
    assert found.array.dtype == row.numpy
    assert found.array.tobytes() == array.tobytes()


def test_strided_arrays_are_written_in_row_major_order(tmp_path: Path):
    arrays = {"t": WEIGHTS.T, "splat": np.broadcast_to(np.float32(2.0), (3, 5)), "0": np.array(1.5)}
    write_external(tmp_path / "w.safetensors", artifact_with(**arrays))
    for name, found in load_file(tmp_path / "w.safetensors").items():
        np.testing.assert_array_equal(found, arrays[name])
        assert found.shape == arrays[name].shape


def test_replaced_weights_are_used_and_seen(tmp_path: Path):
    save_file({"w": WEIGHTS + 1, "another": WEIGHTS}, tmp_path / "w.safetensors")
    found = attach(artifact_with(w=WEIGHTS), tmp_path / "w.safetensors")
    assert found.constants[0].array is not None
    np.testing.assert_array_equal(found.constants[0].array, WEIGHTS + 1)
    assert replaced(found) == ("w",)
    with pytest.raises(InputError, match="w: not the weights that were compiled"):
        attach(artifact_with(w=WEIGHTS), tmp_path / "w.safetensors", check=True)


def test_weights_of_another_shape_type_or_name_are_refused(tmp_path: Path):
    path = tmp_path / "w.safetensors"
    save_file({"w": WEIGHTS.T.copy()}, path)
    with pytest.raises(InputError, match=r"w is F32\[8, 4\], but F32\[4, 8\] was compiled"):
        attach(artifact_with(w=WEIGHTS), path)
    save_file({"w": WEIGHTS.astype(np.float64)}, path)
    with pytest.raises(InputError, match=r"w is F64\[4, 8\], but F32\[4, 8\] was compiled"):
        attach(artifact_with(w=WEIGHTS), path)
    save_file({"v": WEIGHTS}, path)
    with pytest.raises(InputError, match="tensor w is missing"):
        attach(artifact_with(w=WEIGHTS), path)


def test_weights_that_cannot_be_written_or_read_are_one_clear_error(tmp_path: Path):
    path = tmp_path / "missing" / "w.safetensors"
    with pytest.raises(InputError, match="cannot write: No such file or directory"):
        write_external(path, artifact_with(w=WEIGHTS))
    with pytest.raises(InputError, match="cannot read: No such file or directory"):
        attach(tiny(), path)


def file_of(header: object, body: bytes = bytes(128)) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def entry(dtype: object = "F32", shape: object = (4, 8), offsets: object = (0, 128)) -> object:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


HOSTILE = {
    "empty": (b"", "ends after 0 bytes"),
    "short": (b"\0\0\0", "ends after 3 bytes"),
    "huge header": (struct.pack("<Q", 2**63) + b"{}", "a header of 9223372036854775808 bytes"),
    "no JSON": (file_of(b"{"), "is not JSON"),
    "no UTF-8": (file_of(b"\xff\xfe"), "is not JSON"),
    "deep JSON": (file_of(b"[" * 100_000), "is not JSON"),
    "no object": (file_of([1]), "not a JSON object"),
    "name twice": (file_of(b'{"w": 1, "w": 1}'), "there twice"),
    "no entry": (file_of({"w": 3}), "the entry of w is not understood"),
    "no type": (file_of({"w": entry(dtype=4)}), "not understood"),
    "negative size": (file_of({"w": entry(shape=(-4, -8))}), "not understood"),
    "fractional size": (file_of({"w": entry(shape=(4.0, 8.0))}), "not understood"),
    "boolean size": (file_of({"w": entry(shape=(True, 8))}), "not understood"),
    "one offset": (file_of({"w": entry(offsets=(0,))}), "not understood"),
    "past the end": (file_of({"w": entry(offsets=(0, 2**62))}), "but 128 follow the header"),
    "gap": (file_of({"w": entry(offsets=(4, 128))}), "but the one before ends at 0"),
    "backwards": (file_of({"w": entry(offsets=(0, 128)), "v": entry(offsets=(128, 64))}), "before"),
    "overlap": (file_of({"w": entry(offsets=(0, 128)), "v": entry(offsets=(64, 128))}), "before"),
    "left over": (file_of({"w": entry()}, bytes(130)), "but 130 follow the header"),
    "bytes for shape": (file_of({"w": entry(offsets=(0, 64))}, bytes(64)), "has 64 bytes"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_file_is_refused(case: str, tmp_path: Path):
    data, message = HOSTILE[case]
    path = tmp_path / "w.safetensors"
    path.write_bytes(data)
    with pytest.raises(InputError, match=message):
        attach(artifact_with(w=WEIGHTS), path)


def test_files_of_the_safetensors_library_are_read(tmp_path: Path):
    path = tmp_path / "w.safetensors"
    arrays = {"a": WEIGHTS, "b": np.zeros((0, 3), np.int8), "c": np.array(True)}
    save_file(arrays, path, metadata={"format": "pt"})
    found = read_tensors(memoryview(path.read_bytes()), "w")
    assert {n: t.shape for n, t in found.items()} == {n: a.shape for n, a in arrays.items()}
    assert {n: t.data.tobytes() for n, t in found.items()} == {
        n: a.tobytes() for n, a in arrays.items()
    }


def test_random_damage_is_an_error_or_loads():
    data = file_of({"w": entry(), "v": entry(offsets=(128, 256))}, bytes(256))
    rng = random.Random(0)
    refused = 0
    for _ in range(2000):
        damaged = bytearray(data[: rng.choice((len(data), rng.randrange(1, len(data))))])
        for _ in range(rng.choice((0, 1, 3))):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        try:
            read_tensors(memoryview(damaged), "w")
        except InputError:
            refused += 1
    assert 1000 < refused < 2000
