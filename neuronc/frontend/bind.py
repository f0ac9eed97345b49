"""Arguments of @main that become constants: weights that come with the program, not the call.

  func @main(%x, %w {neuronc.name = "fc.weight"})        with the array of "fc.weight"
becomes
  func @main(%x) { %w = constant #stablehlo.weight<..> .. }
"""

from __future__ import annotations

from collections.abc import Mapping

from xdsl.dialects.builtin import ArrayAttr, FunctionType, ModuleOp, StringAttr
from xdsl.dialects.func import FuncOp

from neuronc.dialects.stablehlo.constant import ConstantOp
from neuronc.dialects.stablehlo.weight import Array, Weight
from neuronc.frontend.signature import NAME


def bind_weights(module: ModuleOp, weights: Mapping[str, Array], named: bool) -> None:
    """Bind every argument that `weights` has an array for; `named` constants keep the name."""
    main = next(op for op in module.body.block.ops if isinstance(op, FuncOp))
    if not weights or main.arg_attrs is None:
        return
    block, first = main.body.block, main.body.block.first_op
    assert first is not None
    kept = list(main.arg_attrs.data)
    for position, argument in reversed(list(enumerate(block.args))):
        name = kept[position].data.get(NAME)
        if not isinstance(name, StringAttr) or name.data not in weights:
            continue
        value = Weight.of(weights[name.data], name.data if named else "")
        constant = ConstantOp.create(result_types=[argument.type], attributes={"value": value})
        block.insert_op_before(constant, first)
        argument.replace_all_uses_with(constant.results[0])
        block.erase_arg(argument)
        del kept[position]
    main.arg_attrs = ArrayAttr(kept)
    results = list(main.function_type.outputs)
    main.function_type = FunctionType.from_lists(list(block.arg_types), results)
