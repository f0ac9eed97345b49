"""The driver on a file of tests that end in every way a test can."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.jax_suite.__main__ import main
from tests.jax_suite.record import STATUSES, read

TESTS = '''
import os, time, unittest
import jax, jax.numpy as jnp, numpy as np
from jax import export
from jax._src import compiler

class Ends(unittest.TestCase):
    def test_right(self):
        """Symbolic shapes come to neuronc as they are."""
        shape = jax.ShapeDtypeStruct(export.symbolic_shape("b, 2"), jnp.float32)
        exported = export.export(jax.jit(lambda x: x.reshape(-1) + x.shape[0]))(shape)
        np.testing.assert_array_equal(exported.call(np.ones((3, 2), np.float32)), np.full(6, 4))
    def test_in_part(self):
        shape = jax.ShapeDtypeStruct((), jnp.float32)
        self.assertEqual(jax.jit(lambda x: jax.pure_callback(lambda v: v + 1, shape, x))(1.0), 2)
    def test_no_program(self):
        self.assertEqual(np.float32(1).dtype, jnp.float32)
    def test_skipped(self):
        self.skipTest("not here")
    def test_wrong(self):
        self.assertEqual(compiler.backend_compile_and_load.__module__, "jax._src.compiler")
    def test_fails_on_XLA(self):
        self.fail("everywhere")
    def test_too_long(self):
        time.sleep(60)
    def test_crashed(self):
        os._exit(9)
'''


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "ends_test.py").write_text(TESTS)
    return tmp_path


def test_every_test_gets_its_status(
    checkout: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = [str(checkout), "ends_test", "--sample", "0", "--limit", "3"]
    assert main([*words, "--records", str(tmp_path / "records")]) == 1
    out, err = capfd.readouterr()
    records = read(tmp_path / "records" / "ends_test.jsonl")
    assert {record.status: name for name, record in records.items()} == {
        status: f"tests/ends_test.py::Ends::test_{status.replace(' ', '_')}" for status in STATUSES
    }
    assert "| **all** | 8 | 1 | 1 | 1 | 1 | 1 | 1 | 1 | 1 | " in out
    assert "test_in_part: in part: it needs tokens or a callback" in err
    assert "test_wrong: wrong: " in err


def test_a_sample_is_the_same_each_time_and_goes_on(checkout: Path, tmp_path: Path) -> None:
    words = [str(checkout), "ends_test", "--only", "right or skipped or no_program"]
    for room in ("a", "b"):
        assert main([*words, "--sample", "2", "--records", str(tmp_path / room)]) == 0
    first, second = (read(tmp_path / room / "ends_test.jsonl") for room in ("a", "b"))
    assert list(first) == list(second)
    assert len(first) == 2
    assert main([*words, "--sample", "0", "--records", str(tmp_path / "a")]) == 0
    assert len(read(tmp_path / "a" / "ends_test.jsonl")) == 3
