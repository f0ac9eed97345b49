"""A PyTorch model as a StableHLO module with its weights beside it.

    @main(inputs.., mutated buffers.., weights..) -> (outputs.., new values of those buffers..)

Weights are arguments under the names of the `state_dict`; tied ones are one argument. A buffer
that the model changes is an argument too, tied to the result that takes its memory, and so is an
input that the model changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from jaxlib.mlir import ir
from numpy.typing import NDArray
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind, OutputKind
from torch.fx import Node

from neuronc.errors import InputError
from neuronc.torch.decompositions import decompositions
from neuronc.torch.elements import to_numpy
from neuronc.torch.graph import Argument, Result, emit_graph
from neuronc.torch.ranges.rules import range_of_values
from neuronc.torch.table import name_of
from neuronc.torch.tracing import decompose

CHECK = "aten._linalg_check_errors.default"


@dataclass(frozen=True)
class Exported:
    """What `neuronc.torch.export` returns; `print(exported.module)` shows the StableHLO."""

    module: ir.Module
    weights: Mapping[str, torch.Tensor]
    """Parameters, buffers and constants that the model reads only, by name."""
    state: Mapping[str, torch.Tensor]
    """Buffers that the model changes, in the order of their arguments."""
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    """Names, without those of the state."""
    program: ExportedProgram

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The weights as NumPy arrays, without a copy where that can be."""
        return {name: to_numpy(tensor) for name, tensor in self.weights.items()}


def export_program(program: ExportedProgram) -> Exported:
    """Emit an exported program, once torch has taken apart what we do not emit.

    Raises:
        InputError: some shapes are still dynamic.
        UnsupportedError: some operations are not supported; it lists all of them.
    """
    check_static(program)
    decomposed = decompose(program, decompositions())
    _drop_checks(decomposed.graph_module)
    return _Emission(decomposed).run()


def _drop_checks(graph: torch.fx.GraphModule) -> None:
    """Take the checks of matrices away that torch keeps in order by tokens."""
    for node in list(graph.graph.nodes):
        if name_of(node.target) != "with_effects" or name_of(node.args[1]) != CHECK:
            continue
        for user in list(node.users):
            user.replace_all_uses_with(cast(Node, node.args[0]))
            graph.graph.erase_node(user)
        graph.graph.erase_node(node)


def loses_state(program: ExportedProgram) -> bool:
    """Whether torch took the memory of a buffer for a constant, as without `strict` it may.

    Then what the model writes there, the KV cache of Hugging Face's, would be lost.
    """
    names = program.graph_signature.buffers
    own = {_memory(_tensor(program, name)) for name in names} - {0}
    lifted = {s.target for s in program.graph_signature.input_specs} - set(names)
    return any(_memory(_tensor(program, name)) in own for name in lifted & set(program.constants))


def _memory(tensor: torch.Tensor) -> int:
    return 0 if tensor.device.type == "meta" else tensor.untyped_storage().data_ptr()


def _tensor(program: ExportedProgram, name: Any) -> torch.Tensor:
    found: Any = program.state_dict.get(name)
    return cast(Any, program.constants[name]) if found is None else found


def check_static(program: ExportedProgram) -> None:
    """Refuse inputs of no extents yet.

    Those that depend on values are refused later, by the name of the operation that makes them.
    """
    nodes = [n for n in program.graph_module.graph.nodes if n.op == "placeholder"]
    values = {n.name: n.meta.get("val") for n in nodes}
    shapes = {name: v.shape for name, v in values.items() if isinstance(v, torch.Tensor)}
    dynamic = {name: list[Any](s) for name, s in shapes.items() if not _is_static(s)}
    if dynamic:
        name, shape = next(iter(dynamic.items()))
        example = tuple(n if type(n) is int else 4 for n in shape)
        said = "x".join(map(str, example))
        hint = (
            f"give the shapes of one bucket: shapes={{{name!r}: {example}}}, --shape {name}={said}"
        )
        listed = ", ".join(f"{name} {s}" for name, s in dynamic.items())
        raise InputError("program", f"dynamic extents: {listed}", hint, code="NRC-0902")


def _is_static(shape: Any) -> bool:
    return all(type(extent) is int for extent in shape)


class _Emission:
    """One program on its way: which placeholder is what."""

    def __init__(self, program: ExportedProgram) -> None:
        self.program = program
        self.signature = program.graph_signature
        nodes = program.graph_module.graph.nodes
        self.nodes = {n.name: n for n in nodes if n.op == "placeholder"}
        self.returned = {n.name: n for n in nodes if n.op != "output"}
        self.weights: dict[str, torch.Tensor] = {}
        self.state: dict[str, torch.Tensor] = {}

    def run(self) -> Exported:
        """Arguments, results, module."""
        specs = self.signature.input_specs
        users = [s for s in specs if s.kind is InputKind.USER_INPUT and self._is_tensor(s)]
        results, tied = self._results()
        state = [s for s in specs if s.target in self.signature.buffers_to_mutate.values()]
        given = (InputKind.USER_INPUT, InputKind.TOKEN)
        weights = [s for s in specs if s.kind not in given and s not in state]
        arguments = [self._argument(s.arg.name, s.arg.name, tied) for s in users]
        for spec in state:
            self.state[str(spec.target)] = self._tensor(spec.target)
            arguments.append(self._argument(spec.arg.name, str(spec.target), tied))
        arguments += self._weights(weights)
        module = emit_graph(self.program.graph_module, arguments, results)
        return Exported(
            module,
            self.weights,
            self.state,
            tuple(a.name for a in arguments[: len(users)]),
            tuple(r.name for r in results[: len(results) - len(tied)]),
            self.program,
        )

    def _is_tensor(self, spec: Any) -> bool:
        node = self.nodes.get(spec.arg.name)
        return node is not None and isinstance(node.meta.get("val"), torch.Tensor)

    def _results(self) -> tuple[list[Result], dict[str, int]]:
        """The outputs, then the new values of what is changed; and which argument each takes."""
        specs = self.signature.output_specs
        wanted = [s for s in specs if s.kind is OutputKind.USER_OUTPUT]
        found = [Result(self._value(s.arg), f"out{i}") for i, s in enumerate(wanted)]
        results = [r for r in found if r.value is not None]
        tied: dict[str, int] = {}
        for spec in specs:
            if spec.kind in (OutputKind.BUFFER_MUTATION, OutputKind.USER_INPUT_MUTATION):
                tied[str(spec.target)] = len(results)
                results.append(Result(self._value(spec.arg), str(spec.target)))
        return results, tied

    def _value(self, argument: Any) -> Any:
        """The node of an output; or the number that it is."""
        if hasattr(argument, "value"):
            return argument.value
        return self.returned[argument.name]

    def _argument(self, node: str, name: str, tied: Mapping[str, int]) -> Argument:
        return Argument(self.nodes[node], name, tied.get(name, -1))

    def _weights(self, specs: Sequence[Any]) -> list[Argument]:
        """One argument for each distinct tensor; tied ones share the first of their names."""
        arguments: list[Argument] = []
        first: dict[tuple[Any, ...], Node] = {}
        known = cast(dict[str, torch.Tensor], self.program.state_dict)
        named = {_identity(t): n for n, t in reversed(known.items())}
        for spec in specs:
            node = self.nodes[spec.arg.name]
            if not node.users:
                continue
            tensor = self._tensor(spec.target)
            key = _identity(tensor)
            name = named.get(key, str(spec.target))
            if key in first:
                node.replace_all_uses_with(first[key])
                continue
            first[key] = node
            self.weights[name] = tensor
            arguments.append(Argument(node, name, -1, range_of_values(tensor)))
        return arguments

    def _tensor(self, name: Any) -> torch.Tensor:
        return _tensor(self.program, name)


def _identity(tensor: torch.Tensor) -> tuple[Any, ...]:
    """What tied tensors have in common; those without data are only themselves."""
    if tensor.device.type == "meta" or not tensor.numel():
        return (id(tensor),)
    place = tensor.data_ptr(), tensor.storage_offset()
    return (*place, tuple(tensor.shape), tensor.stride(), tensor.dtype)
