"""From jaxlib's MLIR objects to the stablehlo dialect, operation by operation and never as text.

Types, parameters and locations are converted once per distinct one. Constants become handles to
NumPy arrays. Regions may use values from outside, except those that are applied to elements
(`CLOSED`): constants they use are cloned into them.
"""

from __future__ import annotations

from collections.abc import Sequence

from jaxlib.mlir import ir
from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, FunctionType, ModuleOp, StringAttr
from xdsl.dialects.func import FuncOp
from xdsl.dialects.func import ReturnOp as FuncReturnOp
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue

from neuronc.dialects.stablehlo.constant import ConstantOp
from neuronc.dialects.stablehlo.dialect import OPS
from neuronc.dialects.stablehlo.params import encode_all
from neuronc.dialects.stablehlo.weight import Weight
from neuronc.dialects.types import element_type, shape_of
from neuronc.frontend.attributes import Key, key_of, params_of
from neuronc.frontend.constants import Constants
from neuronc.frontend.defaults import DEFAULTS, defaults
from neuronc.frontend.locations import Locations
from neuronc.frontend.regions import CLOSED, close_region
from neuronc.frontend.signature import argument_attributes, result_attributes
from neuronc.frontend.types import Types

CONSTANT = "stablehlo.constant"

Values = dict[ir.Value, SSAValue]
"""What values have been converted to."""


def convert(entry: ir.Operation, locations: Locations) -> ModuleOp:
    """The module with the one function `@main`."""
    return ModuleOp([Importer(entry, locations).function()])


class Importer:
    """Converts a function; `entry` is what `normalise` gave."""

    def __init__(self, entry: ir.Operation, locations: Locations) -> None:
        module = entry.parent
        assert module is not None
        self.types = Types()
        self._entry = entry
        self._locations = locations
        self._payloads = Constants(module)
        self._weights: dict[ir.Value, Weight] = {}
        self._attributes: dict[Key, dict[str, Attribute]] = {}
        self._lines: dict[str, dict[str, Attribute]] = {"": {}}

    def function(self) -> FuncOp:
        """The entry function, with the names of its arguments and results."""
        body = self._region(self._entry.regions[0], {})
        block = body.blocks[0]
        terminator = block.last_op
        assert isinstance(terminator, FuncReturnOp)
        return FuncOp(
            "main",
            FunctionType.from_lists(block.arg_types, [v.type for v in terminator.operands]),
            body,
            "public",
            arg_attrs=_dictionaries(argument_attributes(self._entry)),
            res_attrs=_dictionaries(result_attributes(self._entry)),
        )

    def fill(self, made: Block, block: ir.Block, values: Values) -> None:
        """Convert a block into an empty one that has its arguments."""
        made.add_ops([self.operation(op.operation, values) for op in block.operations])

    def operation(self, op: ir.Operation, values: Values) -> Operation:
        """Convert one operation, whose operands `values` has; its results are added there."""
        name = op.name
        results = list(op.results)
        types = [self.types.convert(result.type) for result in results]
        operands = [values[operand] for operand in op.operands]
        if name == CONSTANT:
            attributes = {"value": self._weight(op, types[0])} | self._line(op)
            made = ConstantOp.create(result_types=types, attributes=attributes)
        elif name == "func.return":
            return FuncReturnOp(*operands)
        else:
            made = OPS[name].create(
                operands=operands,
                result_types=types,
                attributes=self._params(op) | self._line(op),
                regions=[self._region(region, values) for region in op.regions],
            )
        values.update(zip(results, made.results, strict=True))
        if name in CLOSED:
            for region in made.regions:
                close_region(region)
        return made

    def _region(self, region: ir.Region, values: Values) -> Region:
        return Region([self._block(block, values) for block in region.blocks])

    def _block(self, block: ir.Block, values: Values) -> Block:
        arguments = list(block.arguments)
        made = Block(arg_types=[self.types.convert(a.type) for a in arguments])
        values.update(zip(arguments, made.args, strict=True))
        self.fill(made, block, values)
        return made

    def _weight(self, op: ir.Operation, type_: Attribute) -> Weight:
        """A constant's payload, read once."""
        result = op.results[0]
        if result not in self._weights:
            array = self._payloads.array(op, shape_of(type_), element_type(type_))
            self._weights[result] = Weight.of(array)
        return self._weights[result]

    def _params(self, op: ir.Operation) -> dict[str, Attribute]:
        """The parameters as attributes; those with defaults by type are not shared."""
        if op.name in DEFAULTS:
            return encode_all(defaults(op) | params_of(key_of(op)))
        key = key_of(op)
        if key not in self._attributes:
            self._attributes[key] = encode_all(params_of(key))
        return self._attributes[key]

    def _line(self, op: ir.Operation) -> dict[str, Attribute]:
        line = self._locations.line(op.location)
        if line not in self._lines:
            self._lines[line] = {"loc": StringAttr(line)}
        return self._lines[line]


def _dictionaries(members: Sequence[dict[str, Attribute]]) -> ArrayAttr[DictionaryAttr]:
    return ArrayAttr(DictionaryAttr(member) for member in members)
