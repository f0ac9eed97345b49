"""A compiled graph as torch calls it: tensors in, tensors out, nothing copied that need not be.

Weights, and whatever else torch says stays where it is between calls, are bound as views of the
tensors' memory, so an optimiser that writes there is seen. An argument that the graph changes is
bound too and changed in place. Only when a tensor has moved is it bound anew.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import torch

from neuronc.runtime.program import Program
from neuronc.torch.prepared import Output, Prepared
from neuronc.torch.views import from_numpy, view_of

Tensor = torch.Tensor


class Runner:
    """One graph at one set of shapes; `run(args)` takes and gives what the graph did.

    `fixed` are the arguments that stay where they are between calls.
    """

    def __init__(self, program: Program, made: Prepared, fixed: Collection[int]) -> None:
        self.program = program
        self._draws, self._outputs = made.draws, made.outputs
        nodes = [n for n in made.graph.graph.nodes if n.op == "placeholder"]
        tensors = [i for i, n in enumerate(nodes) if isinstance(n.meta.get("val"), Tensor)]
        self._orders = [made.layouts.get(i) for i in range(len(nodes))]
        positions = {argument: position for position, argument in enumerate(tensors)}
        held = sorted({*fixed, *made.donated} & set(tensors))
        self._held = [(i, positions[i]) for i in held]
        self._free = [i for i in tensors if i not in held]
        self._addresses = [-1] * len(self._held)
        self._results = max((o.result + 1 for o in made.outputs), default=0)
        self._permuted = made.views.items()

    def __call__(self, args: Sequence[Any]) -> list[Any]:
        """Run on the graph's arguments; those that are no tensors are part of the program."""
        addresses = [args[i].data_ptr() for i, _ in self._held]
        if addresses != self._addresses:
            self._bind(args, addresses)
        if self._draws:
            args = [*args, *(draw(args) for draw in self._draws)]
        orders = self._orders
        arrays = [
            view_of(args[i] if orders[i] is None else args[i].permute(orders[i]))
            for i in self._free
        ]
        results = [from_numpy(a) for a in self.program(*arrays)[: self._results]]
        for index, order in self._permuted:
            results[index] = results[index].permute(order)
        return [_given(output, results, args) for output in self._outputs]

    def _bind(self, args: Sequence[Any], addresses: list[int]) -> None:
        """Bind the tensors that have moved."""
        moved = [
            held
            for held, now, before in zip(self._held, addresses, self._addresses, strict=True)
            if now != before
        ]
        self.program.bind({position: self._view(args, i) for i, position in moved})
        self._addresses = addresses

    def _view(self, args: Sequence[Any], index: int) -> Any:
        order = self._orders[index]
        return view_of(args[index] if order is None else args[index].permute(order))


def _given(output: Output, results: Sequence[Tensor], args: Sequence[Any]) -> Any:
    """What torch gets for one output of its graph."""
    if output.result >= 0:
        found: Any = results[output.result]
    elif output.argument >= 0:
        found = args[output.argument]
    else:
        return output.constant
    return found if output.view is None else output.view(found)
