"""`torch.compile(model, backend="neuronc")`: Dynamo's graphs, forward and backward, on neuronc.

    Dynamo -> AOTAutograd -> prepare -> StableHLO -> artifact -> runner

torch finds the backend by its entry point, without an import. A graph whose extents are symbols is
traced again for each set of extents that it is called with; artifacts are kept by their StableHLO,
so equal graphs, and shapes that come back, are compiled once.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from hashlib import sha256
from typing import Any

import torch
from torch._dynamo.backends.common import aot_autograd
from torch._guards import TracingContext
from torch._subclasses.fake_tensor import unset_fake_temporarily
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx

from neuronc import api
from neuronc.artifact.model import Artifact
from neuronc.errors import InputError
from neuronc.hardware import DEFAULT_TARGET
from neuronc.runtime.program import Program
from neuronc.torch.breaks import log_breaks
from neuronc.torch.decompositions import Decompositions, decompositions
from neuronc.torch.distributions import DISTRIBUTIONS
from neuronc.torch.drawn import RANDOM
from neuronc.torch.graph import emit_graph_module
from neuronc.torch.prepare import prepare
from neuronc.torch.rewound import hide_states
from neuronc.torch.runner import Runner
from neuronc.torch.table import name_of

log = logging.getLogger("neuronc.torch")
Boxed = Callable[[list[Any]], list[Any]]
_ARTIFACTS: dict[str, Artifact] = {}
"""By target and StableHLO."""


@dataclass(frozen=True)
class BackendOptions:
    """What `torch.compile(..., options={...})` may say."""

    target: str = DEFAULT_TARGET
    check: bool = False
    """Prove every kernel when it is bound, and poison on-chip memory; slow."""
    workers: int | None = None
    """Threads of the runtime; one a core if none is given."""
    observe: Callable[[Program], object] | None = field(default=None, compare=False)
    """Called with the program of each graph and set of shapes, when it is made."""


@dataclass(frozen=True)
class Facts:
    """What torch says of a graph beside it."""

    fixed: frozenset[int] = frozenset()
    """The arguments that stay where they are: of a forward graph, parameters."""
    shared: int = 0
    """So many outputs, from the first, are the caller's: they may share memory as in eager."""


def neuronc(
    graph: GraphModule, examples: Sequence[Any], options: Mapping[str, Any] | None = None, **_: Any
) -> Callable[..., Any]:
    """Compile one of Dynamo's graphs; torch calls this.

    Raises:
        NeuroncError: an option is not known, or the graph is not supported.
    """
    chosen = _options(options or {})
    log_breaks(log)

    def compiler(inner: GraphModule, _: Sequence[Any]) -> Boxed:
        return boxed(inner, chosen)

    backend = aot_autograd(
        fw_compiler=compiler,
        bw_compiler=compiler,
        inference_compiler=compiler,
        decompositions=_decompositions(),
        keep_inference_input_mutations=True,
    )
    return backend(graph, examples)


def boxed(graph: GraphModule, options: BackendOptions) -> Boxed:
    """What runs a graph of ATen operations on a list of arguments."""
    facts = _facts(graph)
    hide_states(graph)
    nodes = [n for n in graph.graph.nodes if n.op == "placeholder"]
    values = [n.meta.get("val") for n in nodes]
    if all(_is_static(v) for v in values):
        run: Boxed = compiled(graph, options, facts)
    else:
        run = _Buckets(graph, options, facts)

    def call(args: list[Any]) -> list[Any]:
        found = run(args)
        # By torch's convention the callee lets go of the arguments.
        args.clear()
        return found

    call.__dict__["_boxed_call"] = True
    return call


class _Buckets:
    """A graph with symbolic extents: a runner for each set of extents that it was called with."""

    def __init__(self, graph: GraphModule, options: BackendOptions, facts: Facts) -> None:
        self._graph, self._options, self._facts = graph, options, facts
        self._runners: dict[tuple[Any, ...], Runner] = {}

    def __call__(self, args: list[Any]) -> list[Any]:
        key = tuple(a.shape if isinstance(a, torch.Tensor) else a for a in args)
        runner = self._runners.get(key)
        if runner is None:
            static = specialise(self._graph, args)
            runner = self._runners[key] = compiled(static, self._options, self._facts)
        return runner(args)


def specialise(graph: GraphModule, args: Sequence[Any]) -> GraphModule:
    """The graph for the shapes and numbers of these arguments, which stay its placeholders."""
    positions = [i for i, a in enumerate(args) if isinstance(a, torch.Tensor)]

    def run(*tensors: torch.Tensor) -> Any:
        given = list(args)
        for position, tensor in zip(positions, tensors, strict=True):
            given[position] = tensor
        return torch.fx.Interpreter(graph).run(*given)

    tensors = [
        torch.empty_strided(a.shape, a.stride(), dtype=a.dtype, device=a.device)
        for a in args
        if isinstance(a, torch.Tensor)
    ]
    with torch.no_grad():
        traced = make_fx(run, tracing_mode="fake", decomposition_table={})(*tensors)
    return _with_numbers(traced, args)


def _with_numbers(graph: GraphModule, args: Sequence[Any]) -> GraphModule:
    """Give the arguments that are numbers their placeholders back, so that positions agree."""
    nodes = iter([n for n in graph.graph.nodes if n.op == "placeholder"])
    following = next(nodes, None)
    for index, argument in enumerate(args):
        if isinstance(argument, torch.Tensor):
            following = next(nodes, None)
            continue
        before = following or next(n for n in graph.graph.nodes if n.op != "placeholder")
        with graph.graph.inserting_before(before):
            graph.graph.placeholder(f"number_{index}").meta["val"] = argument
    return graph


def compiled(graph: GraphModule, options: BackendOptions, facts: Facts) -> Runner:
    """Compile a graph with static shapes; one that was compiled before is only loaded."""
    start = time.perf_counter()
    # Constants of the graph have elements; torch compiles where tensors have none.
    with unset_fake_temporarily():
        made = prepare(graph, facts.shared)
        module = emit_graph_module(made.graph, donated=made.donated)
    text = str(module).encode()
    key = f"{options.target} {sha256(text).hexdigest()}"
    artifact = _ARTIFACTS.get(key)
    if artifact is None:
        artifact = _ARTIFACTS[key] = api.compile(module, options.target, name="graph").model
        took = time.perf_counter() - start
        log.info("compiled a graph of %d nodes in %.2f s", len(made.graph.graph.nodes), took)
    program = Program(artifact, options.check, workers=options.workers)
    if options.observe is not None:
        options.observe(program)
    return Runner(program, made, facts.fixed)


def _facts(graph: GraphModule) -> Facts:
    """Of a forward graph, or one for inference; of a backward graph nothing is known."""
    context = TracingContext.try_get()
    metadata = context.fw_metadata if context is not None else None
    names = [n.name for n in graph.graph.nodes if n.op == "placeholder"]
    if metadata is None or any(n.startswith("tangents_") for n in names):
        return Facts()
    fixed = frozenset(i for i in metadata.static_input_indices if i < len(names))
    return Facts(fixed, metadata.num_forward)


def _is_static(value: Any) -> bool:
    if isinstance(value, torch.Tensor):
        return not any(isinstance(n, torch.SymInt) for n in tuple[Any, ...](value.shape))
    return not isinstance(value, torch.SymInt | torch.SymFloat | torch.SymBool)


def _decompositions() -> Decompositions:
    kept = {op: f for op, f in decompositions().items() if name_of(op) not in RANDOM}
    return kept | DISTRIBUTIONS


def _options(given: Mapping[str, Any]) -> BackendOptions:
    known = {f.name for f in fields(BackendOptions)}
    unknown = sorted(set(given) - known)
    if unknown:
        hint = f"known: {', '.join(sorted(known))}"
        raise InputError("options", f"there is no {unknown[0]!r}", hint, code="NRC-0913")
    return BackendOptions(**given)
