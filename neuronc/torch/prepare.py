"""A graph of AOTAutograd, made ready to be emitted: what runs on the device, and what stays here.

What is only another name of memory is `returned`, random numbers are `drawn`, and permuted tensors
are taken by their `layouts`. So cached keys and values are updated in place, random numbers are
torch's own and in its order, and no weight is copied because of how it lies in memory.
"""

from __future__ import annotations

from torch.fx import GraphModule

from neuronc.torch.drawn import draw
from neuronc.torch.layouts import lay_out
from neuronc.torch.prepared import Prepared
from neuronc.torch.returned import mutations, split_outputs
from neuronc.torch.rewound import hide_states


def prepare(graph: GraphModule, shared: int = 0) -> Prepared:
    """Rewrite a graph with static shapes; it is changed.

    Of its outputs, the first `shared` share memory as in eager.

    Raises:
        UnsupportedError: it draws random numbers from a distribution that it computes.
    """
    made = Prepared(graph)
    hide_states(graph)
    draw(made)
    split_outputs(made, mutations(graph), shared)
    lay_out(made)
    graph.graph.eliminate_dead_code()
    graph.recompile()
    return made
