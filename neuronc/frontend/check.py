"""Everything that neuronc does not compile, found at once, with source lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from jaxlib.mlir import ir

from neuronc.dialects.stablehlo.dialect import OPS
from neuronc.errors import NeuroncError, UnsupportedError
from neuronc.frontend.calls import call_problem
from neuronc.frontend.gaps import GAPS, gap
from neuronc.frontend.locations import Locations
from neuronc.frontend.mlir import operations, string_attribute
from neuronc.frontend.shapes import (
    DYNAMIC_OPS,
    dynamic_shapes,
    has_unknown_shape,
    is_about_shapes,
)
from neuronc.frontend.types import Problem, problem
from neuronc.runtime.lapack_targets import TARGETS

HOST_OPS = frozenset(
    f"stablehlo.{name}"
    for name in ("async_done", "async_start", "infeed", "outfeed", "recv", "send")
)
"""Operations that talk to a host or another device while the program runs."""

UNSUPPORTED = frozenset(
    f"stablehlo.{name}"
    for name in ("composite", "cross-replica-sum", "uniform_dequantize", "uniform_quantize")
)
"""Operations that the dialect has, but that normalising should have removed."""

OPS_HINT = "`neuronc ops` lists what neuronc compiles; move the rest to the host"
SEVERAL_HINT = "`neuronc check` says for each what to do"


def check(entry: ir.Operation, locations: Locations, name: str) -> None:
    """Raise one error that names everything."""
    found = findings(entry, locations, name)
    if found:
        raise combined(found, name)


def findings(entry: ir.Operation, locations: Locations, name: str) -> list[NeuroncError]:
    """Return one error for each thing that neuronc does not compile, repeated ones once.

    Of dynamic shapes only those of the arguments are named: the others follow from them.
    """
    arguments = entry.regions[0].blocks[0].arguments
    finder = Finder(locations, name, any(has_unknown_shape(a.type) for a in arguments))
    found = [*_program_findings(entry, name), *finder.arguments(entry), *finder.operations(entry)]
    return list({(e.where, e.problem): e for e in found}.values())


def combined(errors: Sequence[NeuroncError], name: str) -> NeuroncError:
    """One error stands alone; several are listed in one."""
    if len(errors) == 1:
        return errors[0]
    lines = "".join(f"\n  {e.where}: {e.code}: {e.problem}" for e in errors)
    what = f"{len(errors)} things are not supported{lines}"
    return UnsupportedError(name, what, SEVERAL_HINT, code="NRC-0200")


def _program_findings(entry: ir.Operation, name: str) -> Iterator[NeuroncError]:
    replicas = _replicas(entry)
    if replicas > 1:
        what = f"a program for {replicas} replicas is not supported"
        yield UnsupportedError(name, what, "export it for one replica", code="NRC-0212")
    dynamic = dynamic_shapes(entry, name)
    if dynamic:
        yield dynamic


def _replicas(entry: ir.Operation) -> int:
    """How many replicas a producer notes at the module."""
    assert entry.parent is not None
    count = entry.parent.attributes.get("mhlo.num_replicas")
    return int(count.value) if isinstance(count, ir.IntegerAttr) else 1


@dataclass(frozen=True)
class Finder:
    """Looks at operations; each type is looked at once."""

    locations: Locations
    name: str
    dynamic: bool = False
    """Whether unknown shapes are explained by those of the arguments."""
    seen: dict[ir.Type, Problem | None] = field(default_factory=dict[ir.Type, Problem | None])

    def arguments(self, entry: ir.Operation) -> Iterator[NeuroncError]:
        """Return what is wrong with the arguments of the entry."""
        for index, argument in enumerate(entry.regions[0].blocks[0].arguments):
            found = self._type_problem(argument.type)
            if found:
                yield self._error(found, argument.location, f"{found.what} of argument {index}")

    def operations(self, entry: ir.Operation) -> Iterator[NeuroncError]:
        """Return what is wrong with the operations, and with the types of their results."""
        for op in operations(entry):
            plain = op.name in _PLAIN
            found = (None if plain else self._operation_problem(op)) or self._result_problem(op)
            if found:
                scope = self.locations.scope(op.location)
                yield self._error(found, op.location, found.what + scope)

    def accepts(self, op: ir.Operation) -> bool:
        """Whether nothing is wrong with an operation, what is inside, and what it is applied to."""
        inner = operations(op) if len(op.regions) else []
        return not any(
            self._operation_problem(o) or any(map(self._type_problem, _types(o)))
            for o in (op, *inner)
        )

    def _error(self, found: Problem, location: ir.Location, what: str) -> NeuroncError:
        where = self.locations.place(location)
        what = f"{what} {found.verdict}"
        return UnsupportedError(where, what, found.hint, code=found.code)

    def _operation_problem(self, op: ir.Operation) -> Problem | None:
        name = op.name
        if self.dynamic and is_about_shapes(op):
            return None
        special = _SPECIAL.get(name)
        if special:
            return special(op)
        if name in DYNAMIC_OPS:
            return _dynamic_problem(name)
        if name == "func.return" or (name in OPS and name not in UNSUPPORTED):
            return gap(op)
        return Problem("NRC-0201", name, OPS_HINT)

    def _result_problem(self, op: ir.Operation) -> Problem | None:
        for result in op.results:
            found = self._type_problem(result.type)
            if found:
                return found.of(op.name)
        return None

    def _type_problem(self, type_: ir.Type) -> Problem | None:
        if type_ not in self.seen:
            hidden = self.dynamic and has_unknown_shape(type_)
            self.seen[type_] = None if hidden else problem(type_)
        return self.seen[type_]


def _types(op: ir.Operation) -> Iterator[ir.Type]:
    yield from (value.type for value in op.operands)
    yield from (value.type for value in op.results)


def _dynamic_problem(name: str) -> Problem:
    hint = "shapes must follow from those of the arguments, not from data"
    return Problem("NRC-0207", name, hint, "makes a shape that is not known before the run")


def _host_problem(op: ir.Operation) -> Problem:
    hint = "pass data in as arguments and out as results"
    return Problem("NRC-0202", op.name, hint)


def _custom_call_problem(op: ir.Operation) -> Problem | None:
    target = string_attribute(op, "call_target_name")
    if target in TARGETS:
        return None
    if "callback" in target:
        hint = "compiled programs cannot call Python; take the callback out of the function"
    else:
        hint = "write the function in StableHLO, or export it for platform cpu"
    return Problem("NRC-0203", f"{op.name} @{target}", hint)


_SPECIAL = {
    "stablehlo.custom_call": _custom_call_problem,
    "func.call": call_problem,
    **dict.fromkeys(HOST_OPS, _host_problem),
}
_PLAIN = frozenset(OPS) - UNSUPPORTED - DYNAMIC_OPS - _SPECIAL.keys() - GAPS.keys()
"""Operations that only their types may speak against."""
