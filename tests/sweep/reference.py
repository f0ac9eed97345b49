"""What others make of a program: XLA on CPU, and the interpreter of the specification.

Both abort on what they do not know, so they live in a process of their own, which is started
again when it dies.
"""

from __future__ import annotations

import multiprocessing
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import numpy as np
from jaxlib.mlir import ir
from jaxlib.mlir.dialects import stablehlo
from numpy.typing import NDArray

from neuronc.dtypes import BY_NAME, BY_NUMPY
from neuronc.frontend.mlir import new_context, run_passes
from neuronc.numerics import complexes

Array = NDArray[np.generic]
SECONDS = 30.0
_NUMBER = re.compile(r"\(([^,()]+),([^,()]+)\)|([^\s,\[\]()]+)")


def interpreted(text: str, inputs: Sequence[Array]) -> list[Array]:
    """What the reference interpreter gives; quantised types and CHLO are made plain first.

    Contractions of quantised types go through floats, as the specification says; MLIR's shortcut
    through integers adds the zero point after rounding, which differs where a sum is a tie.
    """
    context = new_context()
    module = ir.Module.parse(_in_parts(text, context), context)
    run_passes(
        module,
        "func.func(stablehlo-legalize-composite-to-call,"
        "stablehlo-legalize-quantized-op-to-qdq,stablehlo-legalize-quant-to-math,"
        "chlo-legalize-to-stablehlo,stablehlo-legalize-deprecated-ops{fail-on-unused=false}),inline",
    )
    with context, ir.Location.unknown():
        arguments = [_attribute(part) for x in inputs for part in _parts(x)]
        results = iter([_array(r) for r in stablehlo.eval_module(module, arguments)])
    return [_joined(results, r) for r in _signature(text, context)[1]]


def _signature(text: str, context: ir.Context) -> tuple[list[str], list[str]]:
    """Types of the arguments and results of main."""
    module = ir.Module.parse(text, context)
    main = next(op for op in module.body if op.attributes["sym_name"].value == "main")
    return [str(t) for t in main.type.inputs], [str(t) for t in main.type.results]


def _in_parts(text: str, context: ir.Context) -> str:
    """The program with two real numbers for every complex one at its ends.

    The bindings have no complex attributes.
    """
    arguments, results = _signature(text, context)
    if not any("complex" in t for t in (*arguments, *results)):
        return text
    lines, parameters, returned = [], [], []
    for i, kind in enumerate(arguments):
        names = [f"%a{i}r", f"%a{i}i"] if "complex" in kind else [f"%a{i}"]
        parameters += [f"{name}: {_real(kind)}" for name in names]
        if "complex" in kind:
            lines.append(f"%a{i} = stablehlo.complex {', '.join(names)} : {kind}")
    given = ", ".join(f"%a{i}" for i in range(len(arguments)))
    lines.append(
        f"%r:{len(results)} = func.call @inner({given}) : "
        f"({', '.join(arguments)}) -> ({', '.join(results)})"
    )
    for i, kind in enumerate(results):
        if "complex" not in kind:
            returned.append((f"%r#{i}", kind))
            continue
        for part in ("real", "imag"):
            lines.append(f"%{part}{i} = stablehlo.{part} %r#{i} : ({kind}) -> {_real(kind)}")
            returned.append((f"%{part}{i}", _real(kind)))
    names, kinds = (", ".join(column) for column in zip(*returned, strict=True))
    inner = re.sub(r"func\.func( public)? @main\b", "func.func private @inner", text)
    lines.append(f"return {names} : {kinds}")
    body = "\n".join(lines)
    return f"{inner}\nfunc.func @main({', '.join(parameters)}) -> ({kinds}) {{\n{body}\n}}\n"


def _real(kind: str) -> str:
    return re.sub(r"complex<(\w+)>", r"\1", kind)


def _parts(x: Array) -> list[Array]:
    return [x.real, x.imag] if BY_NUMPY[x.dtype].is_complex else [x]


def _joined(results: Iterator[Array], kind: str) -> Array:
    first = next(results)
    return complexes.pack(first, next(results)) if "complex" in kind else first


def _attribute(x: Array) -> ir.Attribute:
    row = BY_NUMPY[x.dtype]
    type_ = f"tensor<{''.join(f'{n}x' for n in x.shape)}{row.name}>"
    if not x.size:
        return ir.Attribute.parse(f"dense<> : {type_}")
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
    return np.full(shape, flat[0]) if flat.size == 1 else flat.reshape(shape)


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
