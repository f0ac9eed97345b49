"""What one calls from Python: compile a program, look at its IR, run single passes.

The command line is these functions and the runtime's, nothing more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp

from neuronc.artifact.container import to_bytes, write
from neuronc.artifact.model import Artifact
from neuronc.artifact.output import new_path
from neuronc.backend.external_weights import externalize, write_external
from neuronc.cache import (
    LIMIT_BYTES,
    Cache,
    Explanation,
    Parts,
    chosen_directory,
    parts_of,
    weight_parts,
    with_weights,
)
from neuronc.dialects.stablehlo.weight import Array
from neuronc.errors import InputError
from neuronc.frontend.load import load_module
from neuronc.frontend.source import Source
from neuronc.hardware import DEFAULT_TARGET
from neuronc.inputs import FilePath, Shapes, by_position, identify, known
from neuronc.ir import is_ir, parse_ir, print_ir
from neuronc.observe import Observer, PassTime, PassTimes, together, write_stages
from neuronc.pipeline import (
    STAGE_NAMES,
    Options,
    Progress,
    compile_artifact,
    ignore,
    silent,
    stages,
)
from neuronc.pipeline import lower as lower_module
from neuronc.provenance import input_sha256, provenance
from neuronc.report import Report, report_of


@dataclass(frozen=True)
class Compiled:
    """A compiled model: `bytes(...)` of it is the artifact, `save` writes it, `load` runs it."""

    model: Artifact
    external_weights: Path | None = None
    """Where `save` writes the weights that are not in the artifact."""
    passes: tuple[PassTime, ...] = field(default=(), compare=False)
    """What the compilation did, and how long that took."""
    cached: bool = field(default=False, compare=False)
    """Whether it is from a cache, and nothing was compiled."""
    not_kept: str = field(default="", compare=False)
    """Why a cache that was asked for did not keep it."""

    @cached_property
    def report(self) -> Report:
        """What the model costs on its target; `print` it."""
        return report_of(self.model)

    def __bytes__(self) -> bytes:
        """The artifact as `save` writes it, without external weights."""
        return to_bytes(self.model)

    def __buffer__(self, flags: int) -> memoryview:
        """The same for anything that takes a buffer, from Python 3.12."""
        return memoryview(bytes(self))

    def save(self, path: FilePath) -> None:
        """Write the artifact, and the external weights if there are some; both whole or not at all.

        Raises:
            InputError: a file cannot be written.
        """
        with new_path(path) as temporary:
            write(self.model, temporary)
            if self.external_weights is not None:
                write_external(self.external_weights, self.model)


def compile(
    module: Source,
    target: str = DEFAULT_TARGET,
    *,
    shapes: Shapes | None = None,
    external_weights: FilePath | None = None,
    weights: Mapping[str, Array] | None = None,
    named: bool = False,
    dump_ir: FilePath | None = None,
    name: str = "<string>",
    observe: Observer = ignore,
    progress: Progress = silent,
    cache_dir: FilePath | None = None,
    cache_limit_bytes: int = LIMIT_BYTES,
) -> Compiled:
    """Compile a program: a path, its text or bytes, or what `jax.jit(f).lower(...)` returns.

    `shapes` fills in dynamic shapes; `external_weights` names the safetensors file for constants
    above 1 KiB; `weights` are arguments, by name, that become constants, and with `named` stay out
    of the artifact under their names, to be loaded from any such file; `dump_ir` a directory for
    the IR after each stage; `name` is what messages call a program without a file name; `observe`
    is called after each pass, `progress` before it and before each kernel.

    `cache_dir`, or NEURONC_CACHE_DIR, is a directory of compiled models: what is there is not
    compiled again, unless its IR is to be dumped.

    Raises:
        NeuroncError: the program is damaged, not supported, or does not fit the target.
    """
    source, name = identify(module, name)
    directory = chosen_directory(cache_dir)
    readable = not isinstance(source, Path) or source.is_file()
    kept = Cache(directory, cache_limit_bytes) if directory is not None and readable else None
    flags, given = _flags(target, shapes, external_weights is not None), weights or {}
    beside = Path(external_weights) if external_weights is not None else None
    parts = _parts(source, name, flags, given, named) if kept is not None else {}
    if kept is not None and dump_ir is None and (found := kept.get(parts)) is not None:
        return _compiled(with_weights(found, given), beside, cached=True)
    times = PassTimes()
    observers = [times, observe] + ([write_stages(dump_ir)] if dump_ir is not None else [])
    options = replace(_options(target, shapes), weights=weights, external=named, progress=progress)
    if kept is not None:
        kept.make()
    artifact = compile_artifact(source, name, options, together(observers))
    artifact = replace(artifact, provenance=provenance(source, flags))
    not_kept = _keep(kept, parts, artifact) if kept is not None else ""
    return replace(_compiled(artifact, beside, tuple(times.passes)), not_kept=not_kept)


def _keep(kept: Cache, parts: Parts, artifact: Artifact) -> str:
    """Put an artifact into the cache, or say why not: it may be full, or only be read by us."""
    try:
        kept.put(parts, artifact)
    except InputError as error:
        return f"{kept.directory}: {error.problem}; compiled without keeping it"
    return ""


def _compiled(
    artifact: Artifact, beside: Path | None, passes: tuple[PassTime, ...] = (), cached: bool = False
) -> Compiled:
    """The model, with its large constants in a file beside it if there is to be one."""
    model = artifact if beside is None else externalize(artifact)
    return Compiled(model, beside, passes, cached)


def explain_cache(
    module: Source,
    target: str = DEFAULT_TARGET,
    *,
    cache_dir: FilePath,
    shapes: Shapes | None = None,
    external_weights: bool = False,
    weights: Mapping[str, Array] | None = None,
    named: bool = False,
    name: str = "<string>",
) -> Explanation:
    """Say whether `compile` would find a program in a cache; `print` it to see what differs.

    The options are those of `compile`; of the external weights it matters only whether there are.

    Raises:
        InputError: the program's file cannot be read.
    """
    source, name = identify(module, name)
    try:
        flags = _flags(target, shapes, external_weights)
        parts = _parts(source, name, flags, weights or {}, named)
    except OSError as error:
        problem = (error.strerror or str(error)).lower()
        hint = "name a file that exists and that you may read"
        raise InputError(name, problem, hint, code="NRC-0101") from None
    return Cache(Path(cache_dir)).explain(parts)


def lower(
    module: Source,
    stage: str,
    target: str = DEFAULT_TARGET,
    *,
    shapes: Shapes | None = None,
    dump_ir: FilePath | None = None,
    name: str = "<string>",
    observe: Observer = ignore,
) -> str:
    """The IR after a stage, as text."""
    if stage not in STAGE_NAMES:
        hint = f"known: {', '.join(STAGE_NAMES)}"
        raise InputError("stage", f"there is no {stage!r}", hint, code="NRC-0703")
    source, name = identify(module, name)
    observers = [observe] + ([write_stages(dump_ir)] if dump_ir is not None else [])
    options = replace(_options(target, shapes), stop_after=stage)
    lowered, _ = lower_module(source, name, options, together(observers))
    return print_ir(lowered)


def opt(
    module: Source, passes: Sequence[str], target: str = DEFAULT_TARGET, name: str = "<string>"
) -> str:
    """Run passes by name over StableHLO or neuronc's printed IR; returns the IR as text.

    Raises:
        InputError: the input does not parse, or there is no such pass.
    """
    passes_by_name = {s.name: s for stage in stages(known(target)) for s in stage.passes}
    for step in passes:
        if step not in passes_by_name:
            hint = "`neuronc opt --help` lists the passes"
            raise InputError("passes", f"there is no {step!r}", hint, code="NRC-0704")
    source, name = identify(module, name)
    parsed = _parse(source, name)
    for step in passes:
        passes_by_name[step].apply(Context(), parsed)
        parsed.verify()
    return print_ir(parsed)


def _parse(source: Source, name: str) -> ModuleOp:
    """Read neuronc's own IR with xDSL, everything else with the frontend."""
    text = source.read_bytes() if isinstance(source, Path) and source.is_file() else source
    text = text.decode(errors="replace") if isinstance(text, bytes) else text
    if isinstance(text, str) and is_ir(text):
        return parse_ir(text, name)
    return load_module(source, name=name)


def _options(target: str, shapes: Shapes | None) -> Options:
    return Options(known(target), shapes=by_position(shapes))


def _parts(
    source: Source, name: str, flags: dict[str, str], weights: Mapping[str, Array], named: bool
) -> dict[str, str]:
    """What the bytes of a compilation depend on."""
    content = input_sha256(source)
    return parts_of(content, name, flags) | weight_parts(weights, named)


def _flags(target: str, shapes: Shapes | None, external: bool) -> dict[str, str]:
    flags = {"target": known(target)}
    for key, value in (shapes or {}).items():
        flags[f"shape.{key}"] = str(value) if isinstance(value, int) else "x".join(map(str, value))
    return flags | ({"external_weights": "1 KiB"} if external else {})
