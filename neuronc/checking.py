"""Everything that keeps a program from compiling, in one go and without compiling it.

    read -> normalise -> operations and types -> each distinct operation lowered alone -> memory

A kernel that does not fit on chip is split down to single operations, so that an operation which
can be lowered alone can be lowered anywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from xdsl.context import Context

from neuronc.errors import CapacityError, NeuroncError, UnsupportedError
from neuronc.frontend.check import Finder, findings
from neuronc.frontend.convert import convert
from neuronc.frontend.distinct import Distinct, alone, distinct_operations
from neuronc.frontend.locations import Locations
from neuronc.frontend.normalise import normalise
from neuronc.frontend.sizes import least_bytes, most_bytes
from neuronc.frontend.source import Source, read_program
from neuronc.hardware import GENERATIONS
from neuronc.pipeline import Options, ignore, lower, stages
from neuronc.units import format_bytes

STAGES = ("simplified", "fused", "tiled")
"""After these, every operation has been lowered and every block has found its place."""


def check_program(source: Source, options: Options, name: str) -> list[NeuroncError]:
    """Return an error for each thing that the compiler would refuse; none means that it compiles.

    `name` stands for sources without a file name.
    """
    try:
        program = read_program(source, name)
        entry = normalise(program, options.shapes or {})
    except NeuroncError as error:
        return [error]
    locations = Locations(program.name)
    finder = Finder(locations, program.name)
    found = findings(entry, locations, program.name)
    distinct = [d for d in distinct_operations(entry) if finder.accepts(d.op)]
    found += _refused(distinct, locations, options.target)
    room = GENERATIONS[options.target].hbm_bytes
    if least_bytes(entry) > room:
        found.append(_too_large(least_bytes(entry), options.target, program.name))
    elif most_bytes(entry) > room and not found:
        found += _compiled(source, options, program.name)
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
        for stage in stages(target):
            if stage.name in STAGES:
                for step in stage.passes:
                    step.apply(Context(), lowered)
    except NeuroncError as error:
        return error
    return None


def _too_large(least: int, target: str, name: str) -> CapacityError:
    size, room = format_bytes(least), format_bytes(GENERATIONS[target].hbm_bytes)
    what = f"inputs and outputs need {size} of HBM, but a core of {target} has {room}"
    hint = "use a smaller batch, a narrower element type, or a target with more memory"
    return CapacityError(name, what, hint, code="NRC-0301")


def _compiled(source: Source, options: Options, name: str) -> Iterable[NeuroncError]:
    """What the compiler itself says, where an estimate cannot tell."""
    try:
        lower(source, name, replace(options, stop_after="tiled"), ignore)
    except NeuroncError as error:
        return [error]
    return []
