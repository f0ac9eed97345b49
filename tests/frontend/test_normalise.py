"""What programs look like after loading: functions, parameters, regions, annotations."""

import pytest

from neuronc.dialects.stablehlo.dialect import CHLO, DIALECT, OPS
from neuronc.dialects.stablehlo.params import decode, encode, params
from neuronc.frontend.load import load_module

VECTOR = "tensor<4xf32>"


def load_body(body, result=VECTOR, signature=f"%x: {VECTOR}"):
    return load_module(
        f"func.func @main({signature}) -> {result} {{\n{body}\n return %r : {result}\n}}"
    )


def names(module):
    return [op.name for op in module.walk() if op.name in OPS]


def only(module, name):
    (op,) = [op for op in module.walk() if op.name == name]
    return op


def test_kept_functions_stay_one_operation_beside_expanded_ones():
    module = load_body(
        f"%a = chlo.erf %x : {VECTOR} -> {VECTOR}\n"
        f"%b = chlo.conj %a : {VECTOR} -> {VECTOR}\n"
        f"%r = chlo.broadcast_add %b, %x : ({VECTOR}, {VECTOR}) -> {VECTOR}"
    )
    assert names(module) == ["chlo.erf", "stablehlo.add"]


@pytest.mark.parametrize("beside", ["", f"%z = chlo.zeta %x, %x : {VECTOR}, {VECTOR} -> {VECTOR}"])
def test_top_k_keeps_its_parameter(beside):
    module = load_body(
        f"{beside}\n%r, %i = chlo.top_k(%x, k = 2) : {VECTOR} -> (tensor<2xf32>, tensor<2xi32>)",
        "tensor<2xf32>",
    )
    assert params(only(module, "chlo.top_k")) == {"k": 2}


@pytest.mark.parametrize(
    "body",
    [
        f"%r = mhlo.erf %x : {VECTOR}",
        f"%r = stablehlo.custom_call @mhlo.erf(%x) : ({VECTOR}) -> {VECTOR}",
    ],
)
def test_other_spellings_become_the_kept_function(body):
    assert names(load_body(body)) == ["chlo.erf"]


def test_a_composite_is_its_decomposition():
    module = load_module(f"""
      func.func @main(%x: {VECTOR}) -> {VECTOR} {{
        %r = stablehlo.composite "my.op" %x {{decomposition = @f}} : ({VECTOR}) -> {VECTOR}
        return %r : {VECTOR}
      }}
      func.func private @f(%x: {VECTOR}) -> {VECTOR} {{
        %r = stablehlo.cosine %x : {VECTOR}
        return %r : {VECTOR}
      }}""")
    assert names(module) == ["stablehlo.cosine"]


def test_calls_are_inlined_through_every_level():
    module = load_module(f"""
      func.func private @g(%x: {VECTOR}) -> {VECTOR} {{
        %r = stablehlo.cosine %x : {VECTOR}
        return %r : {VECTOR}
      }}
      func.func private @f(%x: {VECTOR}) -> ({VECTOR}, {VECTOR}) {{
        %0 = call @g(%x) : ({VECTOR}) -> {VECTOR}
        %1 = call @g(%0) : ({VECTOR}) -> {VECTOR}
        return %1, %x : {VECTOR}, {VECTOR}
      }}
      func.func @main(%x: {VECTOR}) -> {VECTOR} {{
        %0:2 = call @f(%x) : ({VECTOR}) -> ({VECTOR}, {VECTOR})
        %r = stablehlo.add %0#0, %0#1 : {VECTOR}
        return %r : {VECTOR}
      }}""")
    assert names(module) == ["stablehlo.cosine", "stablehlo.cosine", "stablehlo.add"]


def test_quantised_types_become_arithmetic():
    quantised = "tensor<4x!quant.uniform<i8:f32, 0.5:1>>"
    module = load_body(
        f"%q = stablehlo.uniform_quantize %x : ({VECTOR}) -> {quantised}\n"
        f"%r = stablehlo.uniform_dequantize %q : ({quantised}) -> {VECTOR}"
    )
    assert "stablehlo.uniform_quantize" not in names(module)
    assert "stablehlo.round_nearest_even" in names(module)


def test_sharding_annotations_are_dropped():
    module = load_module(f"""
      sdy.mesh @mesh = <["x"=2]>
      func.func @main(%x: {VECTOR} {{sdy.sharding = #sdy.sharding<@mesh, [{{"x"}}]>}})
          -> {VECTOR} {{
        %0 = sdy.sharding_constraint %x <@mesh, [{{"x"}}]> : {VECTOR}
        %1 = stablehlo.custom_call @Sharding(%0) {{mhlo.sharding = "{{replicated}}"}}
          : ({VECTOR}) -> {VECTOR}
        %r = stablehlo.sine %1 {{mhlo.frontend_attributes = {{}}}} : {VECTOR}
        return %r : {VECTOR}
      }}""")
    assert names(module) == ["stablehlo.sine"]
    assert params(only(module, "stablehlo.sine")) == {}


def test_regions_applied_to_elements_are_closed():
    module = load_body(
        """%z = stablehlo.constant dense<2.0> : tensor<f32>
  %r = "stablehlo.reduce"(%x, %z) <{dimensions = array<i64: 0>}> ({
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    %one = stablehlo.constant dense<2.0> : tensor<f32>
    %1 = stablehlo.add %a, %one : tensor<f32>
    %2 = stablehlo.multiply %1, %one : tensor<f32>
    stablehlo.return %2 : tensor<f32>
  }) : (tensor<4xf32>, tensor<f32>) -> tensor<f32>""",
        "tensor<f32>",
    )
    region = only(module, "stablehlo.reduce").regions[0]
    inside = [op.name for op in region.walk()]
    assert inside.count("stablehlo.constant") == 1
    assert all(region.is_ancestor(v.owner) for op in region.walk() for v in op.operands)


def test_a_while_body_may_use_outside_values():
    module = load_body(
        f"""%r = stablehlo.while(%i = %x) : {VECTOR}
    cond {{ %t = stablehlo.constant dense<true> : tensor<i1>  stablehlo.return %t : tensor<i1> }}
    do {{ %s = stablehlo.add %i, %x : {VECTOR}  stablehlo.return %s : {VECTOR} }}"""
    )
    module.verify()
    assert "stablehlo.while" in names(module)


def test_shapes_that_constants_give_are_made_static():
    module = load_body(
        "%s = stablehlo.constant dense<[2, 2]> : tensor<2xi64>\n"
        "%d = stablehlo.dynamic_reshape %x, %s"
        " : (tensor<4xf32>, tensor<2xi64>) -> tensor<?x?xf32>\n"
        "%r = stablehlo.reshape %d : (tensor<?x?xf32>) -> tensor<4xf32>"
    )
    assert set(names(module)) == {"stablehlo.reshape"}


FILTER = "tensor<2x2x1x1xf32>"
IMAGE = "tensor<1x4x4x1xf32>"
SUM = """({ ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    %s = stablehlo.add %a, %b : tensor<f32>
    stablehlo.return %s : tensor<f32> })"""
ZERO = "%z = stablehlo.constant dense<0.0> : tensor<f32>\n"

PARAMETERS = {
    "dot_general": (
        "%r = stablehlo.dot_general %x, %x, batching_dims = [0] x [0], contracting_dims = [3] x [3]"
        f" : ({IMAGE}, {IMAGE}) -> tensor<1x4x4x4x4xf32>",
        "tensor<1x4x4x4x4xf32>",
        {
            "lhs_batching_dimensions": [0],
            "rhs_batching_dimensions": [0],
            "lhs_contracting_dimensions": [3],
            "rhs_contracting_dimensions": [3],
            "precision_config": ["DEFAULT", "DEFAULT"],
        },
    ),
    "convolution": (
        f"%k = stablehlo.constant dense<1.0> : {FILTER}\n"
        "%r = stablehlo.convolution(%x, %k) dim_numbers = [b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f],"
        " window = {pad = [[1, 0], [0, 0]], reverse = [false, true]}"
        f" {{feature_group_count = 1 : i64, batch_group_count = 1 : i64}}"
        f" : ({IMAGE}, {FILTER}) -> tensor<1x4x3x1xf32>",
        "tensor<1x4x3x1xf32>",
        {
            "input_batch_dimension": 0,
            "input_feature_dimension": 3,
            "input_spatial_dimensions": [1, 2],
            "kernel_input_feature_dimension": 2,
            "kernel_output_feature_dimension": 3,
            "kernel_spatial_dimensions": [0, 1],
            "output_batch_dimension": 0,
            "output_feature_dimension": 3,
            "output_spatial_dimensions": [1, 2],
            "window_strides": [1, 1],
            "padding": [[1, 0], [0, 0]],
            "lhs_dilation": [1, 1],
            "rhs_dilation": [1, 1],
            "window_reversal": [0, 1],
            "feature_group_count": 1,
            "batch_group_count": 1,
            "precision_config": ["DEFAULT", "DEFAULT"],
        },
    ),
    "reduce_window": (
        ZERO + '%r = "stablehlo.reduce_window"(%x, %z)'
        f" <{{window_dimensions = array<i64: 1, 2, 2, 1>}}> {SUM}"
        f" : ({IMAGE}, tensor<f32>) -> tensor<1x3x3x1xf32>",
        "tensor<1x3x3x1xf32>",
        {
            "window_dimensions": [1, 2, 2, 1],
            "window_strides": [1, 1, 1, 1],
            "base_dilations": [1, 1, 1, 1],
            "window_dilations": [1, 1, 1, 1],
            "padding": [[0, 0]] * 4,
        },
    ),
    "compare": (
        f"%r = stablehlo.compare LT, %x, %x : ({IMAGE}, {IMAGE}) -> tensor<1x4x4x1xi1>",
        "tensor<1x4x4x1xi1>",
        {"comparison_direction": "LT", "compare_type": "FLOAT"},
    ),
    "gather": (
        "%i = stablehlo.constant dense<1> : tensor<2x1xi32>\n"
        '%r = "stablehlo.gather"(%x, %i) <{dimension_numbers = #stablehlo.gather<'
        "offset_dims = [1, 2, 3], collapsed_slice_dims = [1], start_index_map = [1],"
        " index_vector_dim = 1>, slice_sizes = array<i64: 1, 1, 4, 1>}>"
        f" : ({IMAGE}, tensor<2x1xi32>) -> tensor<2x1x4x1xf32>",
        "tensor<2x1x4x1xf32>",
        {
            "offset_dims": [1, 2, 3],
            "collapsed_slice_dims": [1],
            "operand_batching_dims": [],
            "start_indices_batching_dims": [],
            "start_index_map": [1],
            "index_vector_dim": 1,
            "slice_sizes": [1, 1, 4, 1],
            "indices_are_sorted": False,
        },
    ),
    "all_reduce": (
        '%r = "stablehlo.all_reduce"(%x) <{replica_groups = dense<[[0, 1], [2, 3]]>'
        " : tensor<2x2xi64>, channel_handle = #stablehlo.channel_handle<handle = 3, type = 0>,"
        f" use_global_device_ids}}> {SUM} : ({IMAGE}) -> {IMAGE}",
        IMAGE,
        {"replica_groups": [[0, 1], [2, 3]], "channel_id": 3, "use_global_device_ids": True},
    ),
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_are_flat_and_complete(name):
    body, result, want = PARAMETERS[name]
    module = load_body(body, result, f"%x: {IMAGE}")
    assert params(only(module, f"stablehlo.{name}")) == want


@pytest.mark.parametrize(
    "value", [0, -1, True, False, 1.5, "EQ", "", [], [1, 2], ["A", "B"], [[0, 1], [2, 3]]]
)
def test_decode_inverts_encode(value):
    assert decode(encode(value)) == value
    assert type(decode(encode(value))) is type(value)


def test_every_operation_of_the_specification_has_a_class():
    from jaxlib.mlir.dialects import _stablehlo_ops_gen as generated

    classes = [c for c in vars(generated).values() if hasattr(c, "OPERATION_NAME")]
    assert {op.name for op in DIALECT.operations} == {c.OPERATION_NAME for c in classes}


@pytest.mark.parametrize("op", [*DIALECT.operations, *CHLO.operations], ids=lambda op: op.name)
def test_every_operation_states_its_law(op):
    assert op.__doc__


def test_asynchronous_operations_run_where_they_start():
    module = load_module(
        """func.func @main(%x: tensor<4xf32>) -> tensor<2xf32> {
  %0 = "stablehlo.async_start"(%x) ({
  ^bb0(%y: tensor<4xf32>):
    %1 = stablehlo.slice %y [1:3] : (tensor<4xf32>) -> tensor<2xf32>
    stablehlo.return %1 : tensor<2xf32>
  }) : (tensor<4xf32>) -> !stablehlo.future<tensor<2xf32>>
  %2 = "stablehlo.async_done"(%0) : (!stablehlo.future<tensor<2xf32>>) -> tensor<2xf32>
  return %2 : tensor<2xf32>
}"""
    )
    function = module.body.block.first_op
    assert [op.name for op in function.body.block.ops] == ["stablehlo.slice", "func.return"]
