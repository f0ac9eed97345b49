"""What an exporter writes can be read back, and every command line works."""

import sys
from importlib import import_module
from pathlib import Path

import export
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.interpreters import mlir
from jaxlib.mlir import ir

COMMANDS = {
    "mlp": "--batch 2 --widths 8 6 4",
    "lenet": "--batch 1",
    "resnet18": "--image 32 --width 4 --groups 2 --classes 5",
    "gpt2": "--size tiny --sequence 8",
    "gpt2 constants": "--size tiny --sequence 8 --constants",
    "gpt2 decode": "--size tiny --program decode --dtype bfloat16",
    "gpt2 generate": "--size tiny --sequence 8 --program generate",
    "minilm": "--length 8",
    "train_step": "--layers 1 --width 16 --heads 2 --vocab 32 --sequence 8 --batch 1",
}


def parameters(path: Path) -> list[str]:
    """The attributes of the parameters of the module at `path`, as text."""
    with mlir.make_ir_context():
        module = ir.Module.parse(path.read_bytes())
        (main,) = (op for op in module.body if op.attributes["sym_name"].value == "main")
        return [str(attributes) for attributes in main.arg_attrs]


@pytest.mark.parametrize("name", COMMANDS)
def test_the_command_line_writes_one_array_per_parameter(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sys, "argv", ["example", "-o", str(tmp_path), *COMMANDS[name].split()])
    import_module(name.split()[0]).main()
    with np.load(tmp_path / "inputs.npz") as inputs:
        assert inputs.files == [f"arg{i}" for i in range(len(parameters(tmp_path / "model.mlir")))]


def test_bfloat16_is_stored_as_its_bits(tmp_path: Path):
    x = np.array([1.0, -2.5], jnp.bfloat16)
    export.export(lambda x: x + x, (x,), tmp_path)
    with np.load(tmp_path / "inputs.npz") as inputs:
        assert inputs["arg0"].dtype == np.uint16
        np.testing.assert_array_equal(inputs["arg0"].view(jnp.bfloat16), x)


def test_donated_and_unused_arguments_are_kept(tmp_path: Path):
    args = np.zeros(3, np.float32), np.zeros(2, np.int32)
    export.export(lambda x, unused: x + 1, args, tmp_path, donate=(0,))
    donated, unused = parameters(tmp_path / "model.mlir")
    assert "tf.aliasing_output = 0" in donated
    assert unused == "{}"


def test_shapes_alone_write_no_inputs(tmp_path: Path):
    export.export(lambda x: x + x, (jax.ShapeDtypeStruct((3,), jnp.float32),), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["model.mlir"]
