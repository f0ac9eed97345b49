"""A program in float64 with a rounding error added to each rounded value: Monte Carlo arithmetic.

    %e7 = "stablehlo.add"(%e5, %e6) : (tensor<4xbf16>, tensor<4xbf16>) -> (tensor<4xbf16>)
  becomes
    %e7.0 = "stablehlo.add"(%e5, %e6) : (tensor<4xf64>, tensor<4xf64>) -> (tensor<4xf64>)
    %e7 = %e7.0 * (1 + eps(bf16) * sin(n * (position + 1) + %phase))

Two correct implementations differ by such errors, however much of a value cancels later: a mean of
equal numbers, subtracted from them, leaves nothing but rounding. Runs with several values of
`%phase`, a new last argument of the program, show how large the differences are (Parker, Monte
Carlo Arithmetic, 1997). `scope` names rounded values `%e7`, and exact ones, which stay as they are,
`%v7`.
"""

from __future__ import annotations

import re

import ml_dtypes

from neuronc.dtypes import BY_NAME
from tests.fuzz.oracle import widened

_MADE = re.compile(r"^(%e\d+) = ")
_TYPE = re.compile(r"-> \(?(tensor<((?:\d+x)*)(f32|bf16|f16|f64)>)\)?$")
_PHASE = "%phase: tensor<f64>"


def noisy(text: str) -> str:
    """The program of `text` in float64, with the phase as its last argument."""
    lines: list[str] = []
    pending: list[str] = []
    for line in text.splitlines():
        made = _MADE.match(line)
        name = made[1] if made else ""
        lines.append(widened(f"{name}.0{line[len(name) :]}" if name else line))
        if line.endswith("({"):
            pending.append(name)
            continue
        if line.startswith("})"):
            name = pending.pop()
        elif line.startswith("}, {"):
            continue
        if name:
            lines += _noise(name, line)
    return _with_phase("\n".join(lines)) + "\n"


def _noise(name: str, line: str) -> list[str]:
    """Multiply the value that `line` ends by one plus its rounding errors."""
    found = _TYPE.search(line)
    assert found is not None, line
    shape, kind = [int(n) for n in found[2].split("x") if n], found[3]
    type_ = f"tensor<{found[2]}f64>"
    step = f"{float(ml_dtypes.finfo(BY_NAME[kind].numpy).eps):e}"
    # Irrational steps, so that no two positions or values repeat.
    turn = 0.754877666 + 0.569840291 * int(name[2:])
    parts = [
        f"{name}.p = stablehlo.broadcast_in_dim %phase, dims = [] : (tensor<f64>) -> {type_}",
        f"{name}.t = stablehlo.constant dense<{turn:e}> : {type_}",
        f"{name}.w = stablehlo.add {name}.p, {name}.t : {type_}",
    ]
    angle = f"{name}.w"
    for d in range(len(shape)):
        i, c, m, a = (f"{name}.{letter}{d}" for letter in "icma")
        parts += [
            f"{i} = stablehlo.iota dim = {d} : {type_}",
            f"{c} = stablehlo.constant dense<{turn * (d + 1.618034):e}> : {type_}",
            f"{m} = stablehlo.multiply {i}, {c} : {type_}",
            f"{a} = stablehlo.add {angle}, {m} : {type_}",
        ]
        angle = a
    return [
        *parts,
        f"{name}.s = stablehlo.sine {angle} : {type_}",
        f"{name}.e = stablehlo.constant dense<{step}> : {type_}",
        f"{name}.r = stablehlo.multiply {name}.s, {name}.e : {type_}",
        f"{name}.d = stablehlo.multiply {name}.0, {name}.r : {type_}",
        f"{name} = stablehlo.add {name}.0, {name}.d : {type_}",
    ]


def _with_phase(text: str) -> str:
    head, arrow, rest = text.partition(") -> (")
    return f"{head}{_PHASE if head.endswith('(') else ', ' + _PHASE}{arrow}{rest}"
