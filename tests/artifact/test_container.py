"""The container keeps what it is given, byte for byte, and refuses every other file."""

from __future__ import annotations

import time
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from sample import full, tiny

from neuronc.artifact import container
from neuronc.artifact.model import Artifact, Constant, Kernel
from neuronc.errors import ArtifactError, InputError


def same_kernel(one: Kernel, two: Kernel) -> bool:
    names = [f.name for f in fields(Kernel) if f.name != "streams"]
    facts = all(getattr(one, n) == getattr(two, n) for n in names)
    streams = one.streams.keys() == two.streams.keys()
    return facts and streams and all((two.streams[e] == s).all() for e, s in one.streams.items())


def same_constant(one: Constant, two: Constant) -> bool:
    if (one.dtype, one.shape, one.external) != (two.dtype, two.shape, two.external):
        return False
    if one.array is None or two.array is None:
        return one.array is two.array
    return one.array.dtype == two.array.dtype and one.array.tobytes() == two.array.tobytes()


@pytest.mark.parametrize("artifact", [tiny(), full()], ids=["tiny", "full"])
def test_reading_inverts_writing(artifact: Artifact, tmp_path: Path):
    container.write(artifact, tmp_path / "model.neff")
    found = container.read(tmp_path / "model.neff", check=True)
    for f in fields(Artifact):
        if f.name not in ("kernels", "constants"):
            assert getattr(found, f.name) == getattr(artifact, f.name)
    assert all(map(same_kernel, artifact.kernels, found.kernels))
    assert all(map(same_constant, artifact.constants, found.constants))
    assert len(artifact.constants) == len(found.constants)


@pytest.mark.parametrize("artifact", [tiny(), full()], ids=["tiny", "full"])
def test_the_same_artifact_gives_the_same_bytes(artifact: Artifact, tmp_path: Path):
    data = container.to_bytes(artifact)
    container.write(artifact, tmp_path / "model.neff")
    assert (tmp_path / "model.neff").read_bytes() == data
    assert container.to_bytes(container.read(data)) == data


def test_provenance_is_written_in_one_order():
    one = replace(tiny(), provenance={"a": "1", "b": "2"})
    two = replace(tiny(), provenance={"b": "2", "a": "1"})
    assert container.to_bytes(one) == container.to_bytes(two)


def test_constants_of_a_file_are_read_only_views_on_pages(tmp_path: Path):
    container.write(full(), tmp_path / "model.neff")
    for constant in container.read(tmp_path / "model.neff").constants:
        if constant.array is None:
            continue
        assert not constant.array.flags.writeable
        assert not constant.array.flags.owndata
        large = constant.array.nbytes >= 4096
        assert constant.array.ctypes.data % (4096 if large else 64) == 0 or not constant.array.size


def test_large_strided_constants_are_written_in_pieces(tmp_path: Path):
    splat = np.broadcast_to(np.float32(2.0), (6_000_000,))
    rows = np.broadcast_to(np.arange(3, dtype=np.float32), (2_000_000, 3))
    wide = np.broadcast_to(np.float32(3.0), (1, 6_000_000))
    table = tuple(Constant(a, "f32", a.shape) for a in (splat, rows, wide))
    artifact = replace(tiny(), constants=(*tiny().constants, *table))
    container.write(artifact, tmp_path / "model.neff")
    found = container.read(tmp_path / "model.neff", check=True)
    for array, constant in zip((splat, rows, wide), found.constants[1:], strict=True):
        assert constant.array is not None
        np.testing.assert_array_equal(array, constant.array)


def test_loading_does_not_read_the_constants(tmp_path: Path):
    path = tmp_path / "model.neff"
    large = np.broadcast_to(np.float32(2.0), (25_000_000,))
    table = (*tiny().constants, Constant(large, "f32", large.shape))
    container.write(replace(tiny(), constants=table), path)
    start = time.perf_counter()
    container.read(path)
    # 2 ms measured; 100 MB take 40 ms to read even from memory, so 25 ms tells the two apart.
    assert time.perf_counter() - start < 0.025


def test_a_constant_that_was_damaged_after_loading_is_not_written_again():
    data = bytearray(container.to_bytes(tiny()))
    data[-1] ^= 1
    damaged = container.read(bytes(data))
    with pytest.raises(ArtifactError, match="checksum"):
        container.to_bytes(damaged)


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path):
    with pytest.raises(InputError, match="cannot write: No such file or directory"):
        container.write(tiny(), tmp_path / "missing" / "model.neff")
    (tmp_path / "directory").mkdir()
    with pytest.raises(InputError, match="cannot write: Is a directory"):
        container.write(tiny(), tmp_path / "directory")
    assert [p.name for p in tmp_path.iterdir()] == ["directory"]


def test_an_error_while_writing_keeps_the_old_file(tmp_path: Path):
    path = tmp_path / "model.neff"
    path.write_bytes(b"old")
    wrong = replace(tiny(), constants=(replace(tiny().constants[0], sha256="00" * 32),))
    with pytest.raises(ArtifactError):
        container.write(wrong, path)
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["model.neff"]


def test_a_full_device_is_one_clear_error():
    with pytest.raises(InputError, match="cannot write: No space left on device"):
        container.write(tiny(), "/dev/full")


def test_a_missing_file_is_one_clear_error(tmp_path: Path):
    with pytest.raises(InputError, match="cannot read: No such file or directory"):
        container.read(tmp_path / "model.neff")
    with pytest.raises(InputError, match="cannot read: Is a directory"):
        container.read(tmp_path)
