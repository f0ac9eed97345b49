"""Every format of one program gives the same module, found by content and not by name."""

import io
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest
from jax import export
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp

from neuronc.dialects.stablehlo.dialect import CHLO, DIALECT
from neuronc.frontend.load import load_module

HERE = Path(__file__)


def model(params, x):
    hidden = jax.lax.erf(x @ params["w"])
    values, _ = jax.lax.top_k(hidden, 2)
    return {"hidden": jnp.tanh(hidden), "best": values}


W_LINE = model.__code__.co_firstlineno + 1
ARGUMENTS = ({"w": jnp.ones((4, 4))}, jnp.ones((4, 4)))


def lowered():
    return jax.jit(model, donate_argnums=1).lower(*ARGUMENTS)


def bytecode():
    file = io.BytesIO()
    lowered().compiler_ir("stablehlo").operation.write_bytecode(file)
    return file.getvalue()


def artifact():
    return export.export(jax.jit(model, donate_argnums=1))(*ARGUMENTS).mlir_module_serialized


def hlo_proto():
    return lowered().compiler_ir("hlo").as_serialized_hlo_module_proto()


def hlo_dump():
    """An HloProto as XLA dumps it: the module in field 1."""
    module, size = hlo_proto(), bytearray()
    length = len(module)
    while length >= 0x80:
        size.append(length & 0x7F | 0x80)
        length >>= 7
    return b"\n" + bytes(size) + bytes([length]) + module


def ops(module):
    return [op.name for op in module.walk() if op.name != "builtin.module"]


def text_without_names(module):
    """The module without what a format cannot say."""
    for op in module.walk():
        op.attributes.pop("loc", None)
        if isinstance(op, FuncOp):
            op.arg_attrs = op.res_attrs = None
    return str(module)


FORMATS = {
    "text": lambda: lowered().as_text().encode(),
    "text with locations": lambda: lowered().as_text(debug_info=True).encode(),
    "bytecode": bytecode,
    "portable artifact": artifact,
    "hlo proto": hlo_proto,
    "hlo dump": hlo_dump,
    "hlo text": lambda: lowered().compiler_ir("hlo").as_hlo_text().encode(),
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_module_that_the_live_object_gives(name):
    module = load_module(FORMATS[name]())
    module.verify()
    assert text_without_names(module) == text_without_names(load_module(lowered()))


@pytest.mark.parametrize("name", FORMATS)
def test_the_format_is_found_by_content(name, tmp_path):
    path = tmp_path / "program.txt"
    path.write_bytes(FORMATS[name]())
    assert ops(load_module(path)) == ops(load_module(str(path))) == ops(load_module(lowered()))


def test_text_is_taken_as_a_string_too():
    assert ops(load_module(lowered().as_text())) == ops(load_module(lowered()))


def test_a_parsed_module_is_taken_and_left_as_it_was():
    module = lowered().compiler_ir("stablehlo")
    before = str(module)
    assert ops(load_module(module)) == ops(load_module(lowered()))
    assert str(module) == before


@pytest.mark.parametrize("source", [lowered, bytecode, artifact, hlo_proto])
def test_lines_of_the_program_survive(source):
    module = load_module(source())
    lines = {op.name: op.attributes["loc"].data for op in module.walk() if "loc" in op.attributes}
    assert lines["chlo.erf"] == f"{HERE}:{W_LINE}"
    assert lines["chlo.top_k"] == f"{HERE}:{W_LINE + 1}"
    assert lines["stablehlo.tanh"] == f"{HERE}:{W_LINE + 2}"


def test_lines_of_text_without_locations_are_its_own(tmp_path):
    path = tmp_path / "program.mlir"
    path.write_text(
        "func.func @main(%x: tensor<f32>) -> tensor<f32> {\n"
        "  %0 = stablehlo.sine %x : tensor<f32>\n  return %0 : tensor<f32>\n}\n"
    )
    (sine,) = [op for op in load_module(path).walk() if op.name == "stablehlo.sine"]
    assert sine.attributes["loc"].data == f"{path}:2"


@pytest.mark.parametrize("source", [lowered, bytecode, artifact])
def test_arguments_and_results_keep_their_names(source):
    function = entry(load_module(source()))
    assert names(function.arg_attrs) == ["params['w']", "x"]
    assert names(function.res_attrs) == ["result['best']", "result['hidden']"]


@pytest.mark.parametrize("source", [lowered, bytecode, hlo_proto])
def test_donated_arguments_name_their_output(source):
    function = entry(load_module(source()))
    donated = [attrs.data["neuronc.donated"].value.data for attrs in function.arg_attrs]
    assert donated == [-1, 1]


def test_a_free_donor_goes_to_the_first_output_of_its_type():
    text = """func.func @main(%a: tensor<2xf32> {jax.buffer_donor = true}, %b: tensor<f32>)
        -> (tensor<f32>, tensor<2xf32>) { return %b, %a : tensor<f32>, tensor<2xf32> }"""
    function = entry(load_module(text))
    assert function.arg_attrs.data[0].data["neuronc.donated"].value.data == 1
    assert names(function.arg_attrs) == ["arg0", "arg1"]
    assert names(function.res_attrs) == ["out0", "out1"]


def test_jax_is_not_imported():
    code = "import sys, neuronc.frontend.load; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_module_prints_and_parses_back():
    from xdsl.context import Context
    from xdsl.dialects.builtin import Builtin
    from xdsl.dialects.func import Func
    from xdsl.parser import Parser

    context = Context()
    for dialect in (Builtin, Func, DIALECT, CHLO):
        context.load_dialect(dialect)
    module = load_module(lowered())
    assert str(Parser(context, str(module)).parse_module()) == str(module)


def entry(module: ModuleOp) -> FuncOp:
    function = module.body.block.first_op
    assert isinstance(function, FuncOp)
    return function


def names(attributes):
    return [member.data["neuronc.name"].data for member in attributes]
