"""What others make of a program: XLA on CPU, and the interpreter of the specification.

Both abort on what they do not know, so they live in a process of their own, which is started
again when it dies.
"""

from __future__ import annotations

import multiprocessing
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import numpy as np
from jaxlib.mlir import ir
from jaxlib.mlir.dialects import stablehlo
from numpy.typing import NDArray

from neuronc.dtypes import BY_NAME, BY_NUMPY
from neuronc.frontend.mlir import new_context, run_passes

Array = NDArray[np.generic]
SECONDS = 30.0
_NUMBER = re.compile(r"\(([^,()]+),([^,()]+)\)|([^\s,\[\]()]+)")


def interpreted(text: str, inputs: Sequence[Array]) -> list[Array]:
    """What the reference interpreter gives; quantised types and CHLO are made plain first.

    Contractions of quantised types go through floats, as the specification says; MLIR's shortcut
    through integers adds the zero point after rounding, which differs where a sum is a tie.
    """
    context = new_context()
    module = ir.Module.parse(text, context)
    run_passes(
        module,
        "func.func(stablehlo-legalize-composite-to-call,"
        "stablehlo-legalize-quantized-op-to-qdq,stablehlo-legalize-quant-to-math,"
        "chlo-legalize-to-stablehlo,stablehlo-legalize-deprecated-ops{fail-on-unused=false}),inline",
    )
    with context, ir.Location.unknown():
        arguments = [_attribute(x) for x in inputs]
        results = stablehlo.eval_module(module, arguments)
    return [_array(r) for r in results]


def _attribute(x: Array) -> ir.Attribute:
    row = BY_NUMPY[x.dtype]
    type_ = f"tensor<{''.join(f'{n}x' for n in x.shape)}{row.name}>"
    if row.name == "i1":
        return ir.Attribute.parse(f"dense<{str(x.tolist()).lower()}> : {type_}")
    if row.is_integer:
        return ir.Attribute.parse(f"dense<{np.asarray(x.astype(object)).tolist()}> : {type_}")
    return ir.Attribute.parse(f'dense<"0x{np.ascontiguousarray(x).tobytes().hex()}"> : {type_}')


def _array(attribute: ir.Attribute) -> Array:
    """Read a printed dense attribute."""
    literal, _, type_ = str(attribute).rpartition(" : ")
    extents, _, element = type_.removeprefix("tensor<").removesuffix(">").rpartition("x")
    if "complex" in type_:
        extents, _, element = type_.removeprefix("tensor<").partition("complex")
        extents, element = extents.rstrip("x"), "complex" + element.removesuffix(">")
    row = BY_NAME[element]
    shape = tuple(map(int, extents.split("x"))) if extents else ()
    body = literal.removeprefix("dense<").removesuffix(">")
    if body.startswith('"'):
        data = bytes.fromhex(body.strip('"').removeprefix("0x"))
        return np.frombuffer(data, row.numpy).reshape(shape)
    part = np.dtype(f"f{row.bytes // 2}") if row.is_complex else row.numpy
    values = [_number(m, part) for m in _NUMBER.findall(body)]
    flat = np.array(values, row.numpy) if values else np.zeros(0, row.numpy)
    return np.broadcast_to(flat, shape) if flat.size == 1 else flat.reshape(shape)


def _number(match: tuple[str, str, str], part: np.dtype[np.generic]) -> object:
    if match[2]:
        return _word(match[2], part)
    return complex(float(_word(match[0], part)), float(_word(match[1], part)))  # type: ignore[arg-type]


def _word(word: str, dtype: np.dtype[np.generic]) -> object:
    """A number as printed: decimal, or the bits of a float."""
    if word in ("true", "false"):
        return word == "true"
    if word.startswith("0x"):
        return np.array(int(word, 16), f"u{dtype.itemsize}").view(dtype)[()]
    return int(word) if re.fullmatch(r"-?\d+", word) else np.array(float(word)).astype(dtype)[()]


@dataclass
class Reference:
    """One reference in a process of its own."""

    name: str
    connection: Connection | None = None
    process: BaseProcess | None = None
    context: object = field(default_factory=lambda: multiprocessing.get_context("spawn"))

    def __call__(self, text: str, inputs: Sequence[Array]) -> list[Array] | str:
        """Its results, or why there are none."""
        if self.connection is None:
            self._start()
        assert self.connection is not None
        try:
            self.connection.send((text, list(inputs)))
            if self.connection.poll(SECONDS):
                return self.connection.recv()
            self.stop()
            return "took too long"
        except (EOFError, BrokenPipeError, ConnectionResetError):
            self.stop()
            return "aborted"

    def _start(self) -> None:
        spawn = multiprocessing.get_context("spawn")
        self.connection, theirs = spawn.Pipe()
        self.process = spawn.Process(target=_serve, args=(self.name, theirs), daemon=True)
        self.process.start()
        theirs.close()

    def stop(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.kill()
            self.process.join()
        self.connection = self.process = None


def _serve(name: str, connection: Connection) -> None:
    if name == "xla":
        from tests.fuzz.oracle import compile_program

        evaluate: Callable[[str, Sequence[Array]], list[Array]] = lambda t, x: compile_program(t)(x)  # noqa: E731
    else:
        evaluate = interpreted
    while True:
        text, inputs = connection.recv()
        try:
            connection.send(evaluate(text, inputs))
        except Exception as error:
            connection.send(f"{type(error).__name__}: {str(error)[:200]}")
