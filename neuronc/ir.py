"""The printed form of neuronc's IR at every stage, and back.

Printing is xDSL's. StableHLO as JAX prints it is not this form: the frontend reads it.
"""

from __future__ import annotations

import re
from io import StringIO

from xdsl.context import Context
from xdsl.dialects.builtin import Builtin, ModuleOp
from xdsl.dialects.func import Func
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.utils.exceptions import ParseError, VerifyException

from neuronc.dialects.activation import ACTIVATION
from neuronc.dialects.machine import MACHINE
from neuronc.dialects.program import PROGRAM
from neuronc.dialects.stablehlo.dialect import CHLO, DIALECT
from neuronc.dialects.tile import TILE
from neuronc.errors import InputError

DIALECTS = (Builtin, Func, DIALECT, CHLO, ACTIVATION, PROGRAM, TILE, MACHINE)
_COMMENT = re.compile(r"//.*")
_OURS = re.compile(r'"(activation|program|tile|machine)\.\w+"|neuronc\.name|#stablehlo\.weight')


def print_ir(module: ModuleOp) -> str:
    """The module as text that `parse_ir` reads; large constants are shown, but cannot be read."""
    stream = StringIO()
    Printer(stream).print_op(module)
    return stream.getvalue() + "\n"


def is_ir(text: str) -> bool:
    """Whether text is neuronc's IR: it has an operation or attribute that only neuronc has."""
    return _OURS.search(_COMMENT.sub("", text)) is not None


def parse_ir(text: str, name: str) -> ModuleOp:
    """Parse printed IR and verify it.

    Raises:
        InputError: it does not parse, or breaks a law of a dialect.
    """
    context = Context()
    for dialect in DIALECTS:
        context.load_dialect(dialect)
    try:
        module = Parser(context, text, name).parse_module()
        module.verify()
    except ParseError as error:
        start = error.span.start
        line = text.count("\n", 0, start) + 1
        raise InputError(f"{name}:{line}", _sentence(error.msg), code="NRC-0112") from None
    except VerifyException as error:
        problem = _sentence(str(error).strip().split("\n")[-1])
        raise InputError(name, problem, code="NRC-0112") from None
    return module


def _sentence(text: object) -> str:
    line = str(text).strip().rstrip(".")
    return line[:1].lower() + line[1:]
