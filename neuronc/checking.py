"""Everything that keeps a program from compiling, in one go and without compiling it.

    read -> normalise -> operations and types -> each distinct operation lowered alone -> memory

A kernel that does not fit on chip is split down to single operations, so that an operation which
can be lowered alone can be lowered anywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module

from xdsl.context import Context

from neuronc.backend.spill import may_split
from neuronc.collector import uncollected
from neuronc.dialects.program import KernelOp
from neuronc.errors import CapacityError, NeuroncError, UnsupportedError
from neuronc.frontend.check import Finder, findings
from neuronc.frontend.convert import convert
from neuronc.frontend.distinct import Distinct, alone, distinct_operations
from neuronc.frontend.locations import Locations
from neuronc.frontend.normalise import normalise
from neuronc.frontend.sizes import least_bytes, most_bytes
from neuronc.frontend.source import Source, read_program
from neuronc.hardware import DEFAULT_TARGET, GENERATIONS
from neuronc.inputs import Shape, Shapes, by_position, identify, known
from neuronc.passes.lower_kernel import lower_kernel
from neuronc.passes.tiled import Tiled
from neuronc.stages import kernel_stages
from neuronc.units import format_bytes


def check(
    module: Source,
    target: str = DEFAULT_TARGET,
    *,
    shapes: Shapes | None = None,
    name: str = "<string>",
) -> list[NeuroncError]:
    """Return an error for each thing that `compile` would refuse, without compiling.

    Each says where, its code, what is wrong and what to do; none means that the program compiles.
    """
    source, name = identify(module, name)
    with uncollected():
        return _check(source, known(target), by_position(shapes), name)


def _check(
    source: Source, target: str, shapes: dict[int | str, Shape], name: str
) -> list[NeuroncError]:
    try:
        program = read_program(source, name)
        entry = normalise(program, shapes)
    except NeuroncError as error:
        return [error]
    locations = Locations(program.name)
    finder = Finder(locations, program.name)
    found = findings(entry, locations, program.name)
    distinct = [d for d in distinct_operations(entry) if finder.accepts(d.op)]
    found += _refused(distinct, locations, target)
    room = GENERATIONS[target].hbm_bytes
    if least_bytes(entry) > room:
        found.append(_too_large(least_bytes(entry), target, program.name))
    elif most_bytes(entry) > room and not found:
        found += _compiled(source, target, shapes, program.name)
    return sorted(found, key=_line)


def _line(error: NeuroncError) -> int:
    """The line of the source, 0 for what has none."""
    digits = error.where.rpartition(":")[2]
    return int(digits) if digits.isdecimal() else 0


def _refused(
    distinct: Sequence[Distinct], locations: Locations, target: str
) -> Iterator[NeuroncError]:
    """What lowering says of each operation; of all at once, if it says nothing."""
    if not distinct or _error(distinct, locations, target) is None:
        return
    for one in distinct:
        error = _error([one], locations, target)
        if error is not None:
            yield from _at_each(error, [locations.place(place) for place in one.places])


def _at_each(error: NeuroncError, places: Sequence[str]) -> Iterator[NeuroncError]:
    """The error at each distinct place; the first is more exact if the error names a line."""
    first, *others = dict.fromkeys(places)
    yield error if isinstance(error, UnsupportedError) else error.at(first)
    yield from map(error.at, others)


def _error(parts: Sequence[Distinct], locations: Locations, target: str) -> NeuroncError | None:
    module = alone(parts)
    try:
        lowered = convert(module.body.operations[0].operation, locations)
        for stage in kernel_stages(target, Tiled()):
            for step in stage.passes:
                step.apply(Context(), lowered)
        for kernel in lowered.body.block.ops:
            # The others have been tiled and placed to see whether they fit.
            if isinstance(kernel, KernelOp) and not may_split(kernel):
                lower_kernel(kernel, GENERATIONS[target])
    except NeuroncError as error:
        return error
    return None


def _too_large(least: int, target: str, name: str) -> CapacityError:
    size, room = format_bytes(least), format_bytes(GENERATIONS[target].hbm_bytes)
    what = f"inputs and outputs need {size} of HBM, but a core of {target} has {room}"
    hint = "use a smaller batch, a narrower element type, or a target with more memory"
    return CapacityError(name, what, hint, code="NRC-0301")


def _compiled(
    source: Source, target: str, shapes: dict[int | str, Shape], name: str
) -> Iterable[NeuroncError]:
    """What the compiler itself says, where an estimate cannot tell."""
    # Few programs need it, and importing it takes as long as a check.
    pipeline = import_module("neuronc.pipeline")
    try:
        pipeline.lower(source, name, pipeline.Options(target, "tiled", shapes), pipeline.ignore)
    except NeuroncError as error:
        return [error]
    return []
