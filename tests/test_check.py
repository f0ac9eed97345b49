"""`neuronc check` says all that `neuronc compile` would refuse, and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

import neuronc
from neuronc.cli import main
from neuronc.explain import MODEL, explanations

EXAMPLES = Path(__file__).parents[1] / "examples"
XL_BOUND_S = 2.0
"""Of processor time. Measured: 0.4 s; the margin is for busy machines and large heaps."""

EVERYTHING = """func.func @main(%x: tensor<2xf32>, %y: tensor<2xi7>) -> tensor<f32> {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %t = stablehlo.create_token : !stablehlo.token
  %0 = stablehlo.custom_call @magic(%x) : (tensor<2xf32>) -> tensor<2xf32>
  %1 = "stablehlo.outfeed"(%0, %t) : (tensor<2xf32>, !stablehlo.token) -> !stablehlo.token
  %2 = stablehlo.slice %x [0:1] : (tensor<2xf32>) -> tensor<1xf32>
  %3 = stablehlo.reshape %2 : (tensor<1xf32>) -> tensor<f32>
  %4 = "stablehlo.reduce"(%0, %zero) <{dimensions = array<i64: 0>}> ({
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    %5 = stablehlo.add %a, %3 : tensor<f32>
    stablehlo.return %5 : tensor<f32>
  }) : (tensor<2xf32>, tensor<f32>) -> tensor<f32>
  %6 = "stablehlo.all_reduce"(%4) <{replica_groups = dense<[[0, 1]]> : tensor<1x2xi64>}> ({
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    %7 = stablehlo.add %a, %b : tensor<f32>
    stablehlo.return %7 : tensor<f32>
  }) : (tensor<f32>) -> tensor<f32>
  %8 = arith.addf %6, %6 : tensor<f32>
  return %8 : tensor<f32>
}
"""
REPEATED = """func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {
  %0 = stablehlo.tanh %x : tensor<2xf32>
  %1 = "stablehlo.collective_permute"(%0)
    <{source_target_pairs = dense<[[0, 1]]> : tensor<1x2xi64>}> : (tensor<2xf32>) -> tensor<2xf32>
  %2 = stablehlo.tanh %1 : tensor<2xf32>
  %3 = "stablehlo.collective_permute"(%2)
    <{source_target_pairs = dense<[[0, 1]]> : tensor<1x2xi64>}> : (tensor<2xf32>) -> tensor<2xf32>
  return %3 : tensor<2xf32>
}
"""
IN_A_LOOP = """func.func @main(%x: tensor<i32>) -> tensor<i32> {
  %0 = stablehlo.while(%y = %x) : tensor<i32>
    cond {
      %1 = stablehlo.compare LT, %y, %x : (tensor<i32>, tensor<i32>) -> tensor<i1>
      stablehlo.return %1 : tensor<i1>
    } do {
      %1 = stablehlo.custom_call @magic(%y) : (tensor<i32>) -> tensor<i32>
      stablehlo.return %1 : tensor<i32>
    }
  return %0 : tensor<i32>
}
"""
# 14.4 GB between the two contractions, where a core of trn2 has 12 GiB.
LARGE_INSIDE = """func.func @main(%x: tensor<60000x8xf32>) -> tensor<60000x8xf32> {
  %0 = stablehlo.dot_general %x, %x, contracting_dims = [1] x [1]
    : (tensor<60000x8xf32>, tensor<60000x8xf32>) -> tensor<60000x60000xf32>
  %1 = stablehlo.dot_general %0, %x, contracting_dims = [1] x [0]
    : (tensor<60000x60000xf32>, tensor<60000x8xf32>) -> tensor<60000x8xf32>
  return %1 : tensor<60000x8xf32>
}
"""
LARGE = """func.func @main(%x: tensor<ROWSxf32>) -> tensor<ROWSxf32> {
  %0 = stablehlo.tanh %x : tensor<ROWSxf32>
  return %0 : tensor<ROWSxf32>
}
"""


def codes(text: str, **options: object) -> list[str]:
    return [error.code for error in neuronc.check(text, name="p.mlir", **options)]


def test_a_program_that_compiles_has_no_errors():
    assert neuronc.check(MODEL) == []


def test_everything_is_found_in_one_go(golden):
    found = neuronc.check(EVERYTHING, name="p.mlir")
    golden("errors/check.txt", "".join(f"{error}\n" for error in found))


@pytest.mark.parametrize(
    "page", [e for e in explanations() if e.fails.language == "mlir"], ids=lambda e: e.code
)
def test_check_agrees_with_the_compiler_on_every_example(page):
    assert codes(page.works.text) == []
    found = codes(page.fails.text)
    assert found == [page.code] or (page.code == "NRC-0200" and len(found) > 1)


def test_an_operation_is_named_at_every_place_it_has():
    assert [error.where for error in neuronc.check(REPEATED, name="p.mlir")] == [
        "p.mlir:3",
        "p.mlir:6",
    ]


def test_operations_inside_control_flow_are_found():
    assert codes(IN_A_LOOP) == ["NRC-0203"]


def test_what_is_alive_inside_must_fit_too():
    assert codes(LARGE_INSIDE) == ["NRC-0301"]
    assert codes(LARGE_INSIDE.replace("60000", "6000")) == []


def test_a_smaller_target_has_less_room():
    # 17 GiB in and out; cores have 16, 12 and 18 GiB.
    program = LARGE.replace("ROWS", str(17 * 2**27))
    assert codes(program, target="trn3") == []
    assert codes(program, target="trn1") == codes(program, target="trn2") == ["NRC-0301"]


def test_a_program_that_does_not_parse_is_the_only_error():
    assert codes(MODEL.replace("%x,", "%q,")) == ["NRC-0106"]


def test_dynamic_shapes_do_not_hide_other_errors():
    text = EVERYTHING.replace("%y: tensor<2xi7>", "%y: tensor<?xi8>")
    assert codes(text)[0] == "NRC-0206"
    assert "NRC-0203" in codes(text)
    assert "NRC-0206" not in codes(text, shapes={"arg1": (3,)})


def test_the_command_fails_where_something_is_wrong(tmp_path, capsys):
    path = tmp_path / "p.mlir"
    path.write_text(EVERYTHING)
    assert main(["check", str(path), "--json"]) == 1
    rows = json.loads(capsys.readouterr().out)
    assert [row["code"] for row in rows] == codes(EVERYTHING)
    assert rows[0].keys() == {"where", "code", "problem", "hint"}
    assert all(row["hint"] for row in rows)


def test_the_command_says_ok(tmp_path, capsys):
    path = tmp_path / "p.mlir"
    path.write_text(MODEL)
    assert main(["check", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}: ok\n"


def test_a_model_of_48_layers_is_checked_in_a_moment(monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    for name in ("gpt2", "export"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    from export import lower
    from gpt2 import CONFIGS, model

    lowered = lower(*model(CONFIGS["XL"], sequence=1024, seed=None))
    start = time.process_time()
    assert neuronc.check(lowered) == []
    assert time.process_time() - start < XL_BOUND_S


SLOW = {
    *("jax", "rich", "torch", "scipy", "asyncio", "importlib.metadata"),
    "jaxlib.mlir.dialects._mhlo_ops_gen",
    *("neuronc.api", "neuronc.pipeline", "neuronc.backend.emit"),
}
"""Modules that a check can do without; imports are about half of its time."""


def test_the_command_loads_no_more_than_it_needs(tmp_path: Path) -> None:
    """Their imports would take longer than the check (benchmarks/check.py measures the whole)."""
    (tmp_path / "model.mlir").write_text(MODEL)
    run = "from neuronc.cli import main; main(['check', 'model.mlir'])"
    code = f"import sys; {run}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    answer, loaded = done.stdout.splitlines()
    assert answer == "model.mlir: ok"
    assert not SLOW & set(loaded.split())
