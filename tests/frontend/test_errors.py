"""What a user sees for every kind of broken or unsupported program, word by word."""

import jax
import jax.numpy as jnp
import pytest
from jax import export

from neuronc.errors import InputError, UnsupportedError
from neuronc.frontend.load import load_module

FORMATS = (
    "\n  hint: expected StableHLO as MLIR text, as bytecode, as a portable artifact, "
    "or as an HLO module"
)
OPS_HINT = "\n  hint: `neuronc ops` lists what neuronc compiles; move the rest to the host"
SEVERAL_HINT = "\n  hint: `neuronc check` says for each what to do"
CALL_HINT = "\n  hint: write the function in StableHLO, or export it for platform cpu"
FILE_HINT = "\n  hint: name a file that exists and that you may read"


def main(body, signature="%x: tensor<2xf32>", result="tensor<2xf32>"):
    return f"func.func @main({signature}) -> {result} {{\n{body}\n}}"


def message(source, kind=InputError, **options):
    with pytest.raises(kind) as caught:
        load_module(source, name="p.mlir", **options)
    return str(caught.value)


@pytest.mark.parametrize("source", ["", b"", " \n\n"])
def test_an_empty_program(source):
    assert message(source) == "p.mlir: error: NRC-0103: the program is empty" + FORMATS


def test_a_missing_file(tmp_path):
    path = tmp_path / "no.mlir"
    assert message(path) == f"{path}: error: NRC-0101: no such file or directory{FILE_HINT}"


def test_a_directory(tmp_path):
    assert message(tmp_path) == f"{tmp_path}: error: NRC-0101: is a directory{FILE_HINT}"


@pytest.mark.parametrize("data", [b"\x00\x01\x02", bytes(range(128, 256))])
def test_binary_garbage(data):
    assert message(data) == "p.mlir: error: NRC-0102: this is not a program" + FORMATS


def test_an_archive_is_pytorchs_to_read():
    assert message(b"PK\x03\x04 and more") == (
        "p.mlir: error: NRC-0102: this is an archive, as PyTorch's .pt2 files are\n"
        "  hint: compile it with `neuronc compile`, or from Python with neuronc.torch.compile_model"
    )


def test_damaged_bytecode():
    assert message(b"ML\xefRgarbage") == (
        "p.mlir: error: NRC-0106: bytecode version 51 is newer than the current version 6"
    )


def test_a_damaged_hlo_proto():
    assert message(b"\n\x02ab") == (
        "p.mlir: error: NRC-0105: this is not an HLO module: "
        "INVALID_ARGUMENT: Failed to deserialize HloModuleProto" + FORMATS
    )


def test_malformed_text_names_line_and_column():
    text = main("  %0 = stablehlo.add %x, %y : tensor<2xf32>\n  return %0 : tensor<2xf32>")
    assert message(text) == "p.mlir:2:26: error: NRC-0106: use of undeclared SSA value name"


def test_malformed_text_in_a_file_names_the_file(tmp_path):
    path = tmp_path / "bad.mlir"
    path.write_text("func.func @main() {\n  what\n}\n")
    assert message(path) == (
        f"{path}:2:3: error: NRC-0106: custom op 'what' is unknown (tried 'func.what' as well)"
    )


def test_a_program_that_breaks_a_law_of_stablehlo():
    text = main(
        "  %0 = stablehlo.slice %x [0:3] : (tensor<2xf32>) -> tensor<3xf32>\n"
        "  return %x : tensor<2xf32>"
    )
    assert message(text).startswith("p.mlir:2:8: error: NRC-0106: ")
    assert "limit" in message(text)


def test_a_module_without_main():
    text = "func.func @a() { return }\nfunc.func @b() { return }"
    assert message(text) == (
        "p.mlir: error: NRC-0107: there is no function @main\n"
        "  hint: public functions: @a, @b; call the one to compile @main"
    )


def test_a_module_without_functions():
    assert message("module {}") == (
        "p.mlir: error: NRC-0107: there is no function @main\n"
        "  hint: public functions: none; call the one to compile @main"
    )


def test_the_only_public_function_is_taken_as_main():
    text = "func.func private @f() { return }\nfunc.func @g() { call @f() : () -> () return }"
    function = load_module(text).body.block.first_op
    assert function.properties["sym_name"].data == "main"


def test_one_unsupported_operation():
    text = main(
        "  %0 = stablehlo.custom_call @magic(%x) : (tensor<2xf32>) -> tensor<2xf32>\n"
        "  return %0 : tensor<2xf32>"
    )
    assert message(text, UnsupportedError) == (
        "p.mlir:2: error: NRC-0203: stablehlo.custom_call @magic is not supported" + CALL_HINT
    )


def test_an_unsupported_operation_without_a_line():
    text = main(
        "  %0 = stablehlo.custom_call @magic(%x) : (tensor<2xf32>) -> tensor<2xf32>"
        ' loc("jit(f)/magic")\n  return %0 : tensor<2xf32>'
    )
    assert message(text, UnsupportedError) == (
        "p.mlir: error: NRC-0203: stablehlo.custom_call @magic in jit(f)/magic is not supported"
        + CALL_HINT
    )


def test_all_unsupported_operations_at_once():
    text = main(
        """  %t = stablehlo.create_token : !stablehlo.token
  %0 = "stablehlo.outfeed"(%x, %t) : (tensor<2xf32>, !stablehlo.token) -> !stablehlo.token
  %1 = stablehlo.custom_call @magic(%x) {has_side_effect = true} : (tensor<2xf32>) -> tensor<2xf32>
  %2 = arith.addf %1, %1 : tensor<2xf32>
  return %2 : tensor<2xf32>"""
    )
    assert message(text, UnsupportedError) == (
        "p.mlir: error: NRC-0200: 3 things are not supported\n"
        "  p.mlir:3: NRC-0202: stablehlo.outfeed is not supported\n"
        "  p.mlir:4: NRC-0203: stablehlo.custom_call @magic is not supported\n"
        "  p.mlir:5: NRC-0201: arith.addf is not supported" + SEVERAL_HINT
    )


def test_an_unsupported_element_type():
    text = main("  return %x : tensor<2xi7>", "%x: tensor<2xi7>", "tensor<2xi7>")
    assert message(text, UnsupportedError) == (
        "p.mlir:1: error: NRC-0204: element type i7 of argument 0 is not supported"
        "\n  hint: convert to a type in the columns of `neuronc ops`"
    )


def test_recursion():
    text = "func.func @main() { call @main() : () -> () return }"
    assert message(text, UnsupportedError) == (
        "p.mlir:1: error: NRC-0208: the call of @main inside itself is not supported"
        "\n  hint: write the recursion as a loop: stablehlo.while, jax.lax.while_loop"
    )


def test_a_region_that_uses_an_outside_value():
    text = """func.func @main(%x: tensor<2xf32>, %y: tensor<f32>) -> tensor<f32> {
  %0 = "stablehlo.reduce"(%x, %y) <{dimensions = array<i64: 0>}> ({
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    %1 = stablehlo.add %a, %y : tensor<f32>
    stablehlo.return %1 : tensor<f32>
  }) : (tensor<2xf32>, tensor<f32>) -> tensor<f32>
  return %0 : tensor<f32>
}"""
    assert message(text, UnsupportedError) == (
        "p.mlir:4: error: NRC-0210: stablehlo.add uses a value from outside its region that is "
        "not a constant"
        "\n  hint: pass the value through an operand of the operation, or apply it before or after"
    )


def polymorphic():
    (b,) = export.symbolic_shape("b")
    shapes = jax.ShapeDtypeStruct((b, 4), jnp.float32), jax.ShapeDtypeStruct((b,), jnp.float32)
    return export.export(jax.jit(lambda x, y: x.T @ y))(*shapes).mlir_module_serialized


def test_dynamic_shapes_are_named_by_symbol():
    assert message(polymorphic(), UnsupportedError) == (
        "p.mlir: error: NRC-0206: dynamic shapes need values: "
        "f32[b, 4] of argument 0, f32[b] of argument 1\n  hint: give values: --symbol b=4"
    )


def test_dynamic_shapes_without_symbols():
    text = main("  return %x : tensor<?x3xf32>", "%x: tensor<?x3xf32>", "tensor<?x3xf32>")
    assert message(text, UnsupportedError) == (
        "p.mlir: error: NRC-0206: dynamic shapes need values: f32[?, 3] of argument 0"
        "\n  hint: give values: --shape arg0=4x128 for each"
    )


def test_a_shape_for_nobody():
    assert message(polymorphic(), refine={"c": 3}) == (
        "p.mlir: error: NRC-0109: 'c' is no symbol\n"
        "  hint: arguments: arg0, arg1; symbols: b (dimension 0 of arg0)"
    )


def test_shapes_that_contradict():
    assert message(polymorphic(), refine={0: (3, 4), 1: (5,)}) == (
        "p.mlir: error: NRC-0111: 5 was given for dimension 0 of arg1, but b is 3"
        "\n  hint: arg1 is [b], and b = 3"
    )


@pytest.mark.parametrize("shapes", [{"b": 3}, {0: (3, 4), 1: (3,)}])
def test_given_shapes_make_the_program_static(shapes):
    module = load_module(polymorphic(), refine=shapes)
    types = [str(v.type) for v in module.body.block.first_op.body.block.args]
    assert types == ["tensor<3x4xf32>", "tensor<3xf32>"]


def test_an_array_beyond_all_addresses():
    huge = "tensor<99999999999x99999999xf32>"
    body = f"  %0 = stablehlo.iota dim = 0 : {huge}\n  return %0 : {huge}"
    assert message(main(body, result=huge), UnsupportedError) == (
        f"p.mlir:2: error: NRC-0205: type {huge}, which no address reaches the end of, "
        "of stablehlo.iota is not supported\n  hint: use smaller extents"
    )
