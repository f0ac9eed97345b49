"""Symbolic extents as `jax.export` writes them: `b`, `2*b`, `max(b, t) + 1`, `floordiv(t, 2)`.

Their names stand in the messages of a module's shape assertions:

    args[0].shape = (b, 4),args[1].shape = (2*b,). Obtained ..    [["b", "4"], ["2*b"]]
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping

SHAPE = re.compile(r"\.shape = \((.*?)\)(?=,args|,kwargs|\. Obtained)")

FUNCTIONS: Mapping[str, Callable[[int, int], int]] = {
    "floordiv": int.__floordiv__,
    "mod": int.__mod__,
    "max": lambda a, b: max(a, b),
    "min": lambda a, b: min(a, b),
}
OPERATORS: Mapping[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: int.__add__,
    ast.Sub: int.__sub__,
    ast.Mult: int.__mul__,
    ast.Pow: int.__pow__,
}


def shapes_in(message: str) -> list[list[str]]:
    """The extents of the arguments that the message of an assertion tells."""
    return [_split(shape) for shape in SHAPE.findall(message)]


def names_in(extent: str) -> list[str]:
    """The symbols of an extent."""
    names = re.findall(r"[A-Za-z_]\w*", extent)
    return list(dict.fromkeys(name for name in names if name not in FUNCTIONS))


def evaluate(extent: str, values: Mapping[str, int]) -> int | None:
    """The number that an extent is, or None while a symbol of it has no value, or for `?`."""
    try:
        return _evaluate(_parse(extent), values)
    except (KeyError, SyntaxError, ZeroDivisionError):
        return None


def _split(shape: str) -> list[str]:
    """Cut at the commas that are in no parentheses."""
    parts, depth = [""], 0
    for char in shape:
        depth += {"(": 1, ")": -1}.get(char, 0)
        if char == "," and not depth:
            parts.append("")
        else:
            parts[-1] += char
    return [part.strip() for part in parts if part.strip()]


def _parse(extent: str) -> ast.expr:
    return ast.parse(extent.replace("^", "**"), mode="eval").body


def _evaluate(node: ast.expr, values: Mapping[str, int]) -> int:
    match node:
        case ast.Constant(value=int(value)):
            return value
        case ast.Name(id=name):
            return values[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_evaluate(operand, values)
        case ast.BinOp(left=left, op=op, right=right):
            return OPERATORS[type(op)](_evaluate(left, values), _evaluate(right, values))
        case ast.Call(func=ast.Name(id=name), args=[left, right]):
            return FUNCTIONS[name](_evaluate(left, values), _evaluate(right, values))
        case _:
            raise KeyError(ast.unparse(node))
