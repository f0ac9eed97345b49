"""The compiler on one page: what runs in which order, and what each stage leaves behind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from time import perf_counter

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp

from neuronc.artifact.model import Artifact
from neuronc.backend.allocate import Allocate
from neuronc.backend.assemble import assemble
from neuronc.backend.footprint import check_footprint
from neuronc.backend.keep_resident import KeepResident
from neuronc.backend.plan import Plan, plan
from neuronc.backend.select import Select
from neuronc.collector import uncollected
from neuronc.dialects.stablehlo.weight import Array, is_splat
from neuronc.frontend.bind import bind_weights
from neuronc.frontend.convert import convert
from neuronc.frontend.load import Shapes, load_module
from neuronc.frontend.source import Source
from neuronc.hardware import DEFAULT_TARGET, GENERATIONS
from neuronc.passes.cluster import Cluster
from neuronc.passes.fuse_activation import FuseActivation
from neuronc.passes.fuse_scalars import FuseScalars
from neuronc.passes.fuse_tensor import FuseTensor
from neuronc.passes.tile_kernels import TileKernels
from neuronc.passes.tiled import Tiled
from neuronc.passes.unroll import Unroll
from neuronc.rolled import convert_rolled
from neuronc.stages import SOURCE, Stage, kernel_stages
from neuronc.version import VERSION

_TILE = frozenset({"builtin", "func", "stablehlo", "program", "tile"})
_MACHINE = _TILE | {"machine"}


def stages(target: str, tiled: Tiled | None = None) -> tuple[Stage, ...]:
    """The stages for one target; `tiled` is what they know of tiles, and nothing at first."""
    known = tiled or Tiled()
    return (
        *kernel_stages(target, known),
        Stage("clustered", (Cluster(), KeepResident(target, known), Unroll()), SOURCE),
        Stage("tiled", (TileKernels(target, known),), _TILE),
        Stage("folded", (FuseActivation(), FuseScalars(), FuseTensor()), _TILE),
        Stage("placed", (Select(), Allocate(target)), _MACHINE),
    )


STAGE_NAMES = ("loaded", *(stage.name for stage in stages(DEFAULT_TARGET)))
Observer = Callable[[str, str, float, ModuleOp], None]
"""Called after each pass with (stage, pass, seconds, module)."""


Progress = Callable[[str, int, int], None]
"""Called before each step with (what, kernel i, of n); n is 0 where it is not kernel by kernel."""


def silent(what: str, number: int, total: int) -> None:
    """The progress that nobody sees."""


def ignore(stage: str, step: str, seconds: float, module: ModuleOp) -> None:
    """The observer that does nothing."""


@dataclass(frozen=True)
class Options:
    """What a compilation may be told."""

    target: str = DEFAULT_TARGET
    stop_after: str = ""
    shapes: Shapes | None = None
    weights: Mapping[str, Array] | None = None
    """Arguments that become constants, by name."""
    external: bool = False
    """Whether those keep their names, so that a file beside the artifact may replace them."""
    progress: Progress = silent


def assert_leaves(module: ModuleOp, stage: Stage) -> None:
    """Check that a stage left only the dialects it says; anything else is a bug of its passes."""
    found = {op.name.split(".", 1)[0] for op in module.walk()}
    strange = found - stage.leaves
    assert not strange, f"stage {stage.name} left ops of {', '.join(sorted(strange))}"


def lower(
    source: Source, name: str, options: Options, observe: Observer
) -> tuple[ModuleOp, Plan | None]:
    """Load and lower a program, up to `options.stop_after`; plans buffers once kernels exist."""
    start = perf_counter()
    module = _load(source, name, options)
    bind_weights(module, options.weights or {}, options.external)
    observe("loaded", "load", perf_counter() - start, module)
    made: Plan | None = None
    if options.stop_after == "loaded":
        return module, made
    context, tiled = Context(), Tiled()
    for stage in stages(options.target, tiled):
        for step in stage.passes:
            start = perf_counter()
            options.progress(f"{stage.name}: {step.name}", 0, 0)
            step.apply(context, module)
            observe(stage.name, step.name, perf_counter() - start, module)
        assert_leaves(module, stage)
        if options.stop_after == stage.name:
            break
        if stage.name == "clustered":
            start = perf_counter()
            made = plan(module, GENERATIONS[options.target], tiled)
            check_footprint(module, made, GENERATIONS[options.target], name)
            observe(stage.name, "plan", perf_counter() - start, module)
    return module, made


def _load(source: Source, name: str, options: Options) -> ModuleOp:
    """The program, with layers as functions already where nothing else is to be seen."""
    flat = options.stop_after == "loaded" or _are_folded(options)
    conversion = convert if flat else convert_rolled
    return load_module(source, name=name, refine=options.shapes, convert=conversion)


def _are_folded(options: Options) -> bool:
    """Whether what arguments become is part of what layers are: some are the same everywhere."""
    weights = () if options.external else (options.weights or {}).values()
    return any(weight.size == 1 or is_splat(weight) for weight in weights)


def compile_artifact(
    source: Source,
    name: str = "<string>",
    options: Options | None = None,
    observe: Observer = ignore,
) -> Artifact:
    """Compile a program of any form to an artifact."""
    with uncollected():
        return _compile(source, name, replace(options or Options(), stop_after=""), observe)


def _compile(source: Source, name: str, chosen: Options, observe: Observer) -> Artifact:
    module, made = lower(source, name, chosen, observe)
    assert made is not None
    start = perf_counter()
    hw = GENERATIONS[chosen.target]
    compiler = {"compiler": f"neuronc {VERSION}", "target": hw.name}
    artifact = assemble(module, made, hw, compiler, chosen.progress)
    observe("emitted", "assemble", perf_counter() - start, module)
    return artifact
