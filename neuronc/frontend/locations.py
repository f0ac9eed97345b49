"""Source lines: the innermost place in the user's program that an operation came from.

    loc("x.mlir":3:4)                       "x.mlir:3"
    loc(callsite(<callee> at <caller>))     that of the callee, else of the caller
    loc("jit(f)/add"(<child>))              that of the child, else "jit(f)/add"
    loc(fused[<a>, <b>])                    the first that is known

Each distinct location is looked at once.
"""

from __future__ import annotations

from collections.abc import Sequence

from jaxlib.mlir import ir


class Locations:
    """Source lines of one program; text without a file name of its own is called `name`."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._known: dict[ir.Attribute, str] = {}

    def line(self, location: ir.Location) -> str:
        """`file.py:31`, or a name when there is no file, or empty."""
        key = location.attr
        if key not in self._known:
            self._known[key] = self._file_line(location) or _name(location)
        return self._known[key]

    def place(self, location: ir.Location) -> str:
        """`file.py:31`, or the program: where an error message points."""
        return self._file_line(location) or self._name

    def scope(self, location: ir.Location) -> str:
        """` in jit(f)/add` for a location with a name but without a file, else empty."""
        name = "" if self._file_line(location) else _name(location)
        return f" in {name}" if name else ""

    def _file_line(self, location: ir.Location) -> str:
        if isinstance(location, ir.FileLineColLoc):
            return self._format(location)
        lines = (self._file_line(child) for child in _children(location))
        return next((line for line in lines if line), "")

    def _format(self, location: ir.FileLineColLoc) -> str:
        if not location.start_line:
            return ""
        file = self._name if location.filename == "-" else location.filename
        return f"{file}:{location.start_line}"


def given_name(location: ir.Location) -> str:
    """The name that a location itself is, as of an argument, or empty."""
    return location.name_str if isinstance(location, ir.NameLoc) else ""


def _name(location: ir.Location) -> str:
    """The outermost name in a location, or empty."""
    if isinstance(location, ir.NameLoc):
        return location.name_str
    return next((name for name in map(_name, _children(location)) if name), "")


def _children(location: ir.Location) -> Sequence[ir.Location]:
    """The locations inside one, innermost first."""
    if isinstance(location, ir.NameLoc):
        return (location.child_loc,)
    if isinstance(location, ir.CallSiteLoc):
        return (location.callee, location.caller)
    if isinstance(location, ir.FusedLoc):
        return location.locations
    return ()
