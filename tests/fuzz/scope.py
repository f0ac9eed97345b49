"""A program being written: nested blocks of operations in generic MLIR form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.fuzz.values import Type, Value, settled


@dataclass(frozen=True)
class Argument:
    """An argument of the program and how its data is drawn."""

    value: Value
    data: str
    """small integers, `normal`, `index N`, `any`, `special`"""


@dataclass(frozen=True)
class Node:
    """One operation: what it defines, what it reads (from inside its regions too), its text."""

    results: tuple[Value, ...]
    reads: frozenset[str]
    text: str


@dataclass
class Names:
    """Numbers for values, unique in the whole program."""

    count: int = 0

    def fresh(self, stem: str = "v") -> str:
        """A new name."""
        self.count += 1
        return f"%{stem}{self.count}"


@dataclass
class Scope:
    """A block: its values, its operations, and the program's arguments."""

    names: Names = field(default_factory=Names)
    arguments: list[Argument] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    depth: int = 0

    def inner(self, arguments: Sequence[Value], captures: Sequence[Value]) -> Scope:
        """A block inside an operation of this one; it may read `captures`."""
        made = Scope(self.names, self.arguments, [], [], self.depth + 1)
        made.values = [*captures, *arguments]
        return made

    def argument(self, type_: Type, data: str, bound: float, exact: bool) -> Value:
        """A new argument of the program."""
        value = Value(self.names.fresh("a"), type_, bound, exact)
        self.arguments.append(Argument(value, data))
        self.values.append(value)
        return value

    @property
    def may_be_nan(self) -> bool:
        """Whether any argument may hold NaN."""
        return any(a.data == "special" for a in self.arguments)

    def op(
        self,
        name: str,
        operands: Sequence[Value],
        result: Type,
        attributes: str = "",
        *,
        bound: float,
        exact: bool | None = None,
        regions: str = "",
        reads: Sequence[str] = (),
    ) -> Value:
        """Append an op with one result."""
        known = all(v.exact for v in operands) if exact is None else exact
        (value,) = self.ops(
            name, operands, [(result, bound, known)], attributes, regions=regions, reads=reads
        )
        return value

    def ops(
        self,
        name: str,
        operands: Sequence[Value],
        results: Sequence[tuple[Type, float, bool]],
        attributes: str = "",
        *,
        regions: str = "",
        reads: Sequence[str] = (),
    ) -> list[Value]:
        """Append an op with several results, each a type, a bound and its exactness.

        A single rounded result is named `%e` and a number, so that `noise` finds it.
        """
        known = [(t, *settled(t, b, e)) for t, b, e in results]
        many = len(known) > 1
        stem = self.names.fresh("v" if many or known[0][2] else "e")
        values = [Value(f"{stem}#{i}" if many else stem, *about) for i, about in enumerate(known)]
        head = f"{stem}:{len(results)}" if many else stem
        text = (
            f"{head} = {_quoted(name)}({_names(operands)})"
            f"{f' <{{{attributes}}}>' if attributes else ''}"
            f"{f' ({regions})' if regions else ''}"
            f" : ({_types(operands)}) -> ({', '.join(str(v.type) for v in values)})"
        )
        read = frozenset(_base(v.name) for v in operands) | frozenset(map(_base, reads))
        self.nodes.append(Node(tuple(values), read, text))
        self.values.extend(values)
        return values

    def constant(self, type_: Type, literal: str, bound: float, exact: bool = True) -> Value:
        """A constant from the text between `dense<` and `>`."""
        value = Value(self.names.fresh("c"), type_, *settled(type_, bound, exact))
        text = f"{value.name} = stablehlo.constant dense<{literal}> : {type_}"
        self.nodes.append(Node((value,), frozenset(), text))
        self.values.append(value)
        return value

    def body(self, results: Sequence[Value]) -> tuple[str, frozenset[str]]:
        """The text of the block up to its return, without dead ops, and what it reads outside."""
        live = {_base(v.name) for v in results}
        kept: list[str] = []
        for node in reversed(self.nodes):
            if any(_base(v.name) in live for v in node.results):
                kept.append(node.text)
                live |= node.reads
        own = {_base(v.name) for node in self.nodes for v in node.results}
        end = f'"stablehlo.return"({_names(results)}) : ({_types(results)}) -> ()'
        return "\n".join([*reversed(kept), end]), frozenset(live - own)

    def region(self, arguments: Sequence[Value], results: Sequence[Value]) -> tuple[str, list[str]]:
        """The text of a region and what it reads from outside."""
        text, reads = self.body(results)
        head = ", ".join(f"{v.name}: {v.type}" for v in arguments)
        label = f"^bb0({head}):\n" if arguments else "^bb0:\n"
        return "{\n" + label + text + "\n}", [r for r in reads if r not in _bases(arguments)]


@dataclass(frozen=True)
class Program:
    """A finished program: its text, its live arguments, its results."""

    text: str
    arguments: tuple[Argument, ...]
    results: tuple[Value, ...]


def finish(scope: Scope, results: Sequence[Value]) -> Program:
    """The function @main that returns `results`."""
    body, reads = scope.body(results)
    arguments = tuple(a for a in scope.arguments if a.value.name in reads)
    signature = ", ".join(f"{a.value.name}: {a.value.type}" for a in arguments)
    types = ", ".join(str(v.type) for v in results)
    body = body.replace('"stablehlo.return"', "TEMPORARY")
    head, _, last = body.rpartition("TEMPORARY")
    body = head.replace("TEMPORARY", '"stablehlo.return"') + '"func.return"' + last
    return Program(
        f"func.func @main({signature}) -> ({types}) {{\n{body}\n}}\n", arguments, tuple(results)
    )


def _quoted(name: str) -> str:
    return f'"{name}"' if "." in name else f'"stablehlo.{name}"'


def _base(name: str) -> str:
    return name.partition("#")[0]


def _bases(values: Sequence[Value]) -> set[str]:
    return {_base(v.name) for v in values}


def _names(values: Sequence[Value]) -> str:
    return ", ".join(v.name for v in values)


def _types(values: Sequence[Value]) -> str:
    return ", ".join(str(v.type) for v in values)
