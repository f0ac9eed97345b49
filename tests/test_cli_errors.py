"""What a user reads after each kind of mistake, word by word, in tests/golden/errors."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from neuronc.artifact.container import to_bytes
from neuronc.artifact.sections import SectionKind, decode_frame
from neuronc.cli import main

sys.path.insert(0, str(Path(__file__).parent / "artifact"))
from sample import sealed, tiny

ADD = """func.func @main(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %0 = stablehlo.add %x, %x : tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}
"""
MALFORMED = ADD.replace("%x, %x", "%x, %y")
DYNAMIC = ADD.replace("4x8", "?x8")
LARGE = ADD.replace("4x8", "200000x50000")
UNSUPPORTED = """func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {
  %t = stablehlo.create_token : !stablehlo.token
  %0 = stablehlo.custom_call @magic(%x) : (tensor<2xf32>) -> tensor<2xf32>
  %1 = "stablehlo.outfeed"(%0, %t) : (tensor<2xf32>, !stablehlo.token) -> !stablehlo.token
  return %0 : tensor<2xf32>
}
"""
BAD_IR = 'builtin.module {\n  "tile.kernel"() : (\n}\n'
X = np.zeros((4, 8), np.float32)

Files = dict[str, bytes]


def program(text: str) -> Files:
    return {"model.mlir": text.encode()}


def artifact(damage: Callable[[bytearray], bytes | bytearray] = bytes) -> Files:
    return {"model.neff": bytes(damage(bytearray(to_bytes(tiny()))))}


def flipped(kind: SectionKind) -> Callable[[bytearray], bytearray]:
    def damage(data: bytearray) -> bytearray:
        section = next(s for s in decode_frame(memoryview(data), "") if s.kind == kind)
        data[section.offset + 9] ^= 1
        return data

    return damage


def newer(data: bytearray) -> bytes:
    data[8] += 1
    return sealed(data)


def inputs(**arrays: np.ndarray) -> Files:
    np.savez("inputs.npz", **arrays)
    data = Path("inputs.npz").read_bytes()
    Path("inputs.npz").unlink()
    return artifact() | {"inputs.npz": data}


COMPILE = "compile model.mlir -o model.neff"
RUN = "run model.neff -i inputs.npz -o outputs.npz"
CASES: dict[str, tuple[str, Callable[[], Files]]] = {
    "program-missing": (COMPILE, dict),
    "program-empty": (COMPILE, lambda: program("")),
    "program-malformed": (COMPILE, lambda: program(MALFORMED)),
    "program-not-one": (COMPILE, lambda: {"model.mlir": b"\x00\x01\x02"}),
    "program-damaged-bytecode": (COMPILE, lambda: {"model.mlir": b"ML\xefRgarbage"}),
    "program-is-a-directory": ("compile . -o model.neff", dict),
    "unsupported-operations": (COMPILE, lambda: program(UNSUPPORTED)),
    "unsupported-type": (COMPILE, lambda: program(ADD.replace("xf32", "xi7"))),
    "dynamic-shape": (COMPILE, lambda: program(DYNAMIC)),
    "dynamic-shape-of-nothing": (f"{COMPILE} --shape y=4x8", lambda: program(DYNAMIC)),
    "does-not-fit": (COMPILE, lambda: program(LARGE)),
    "does-not-fit-trn1": (f"{COMPILE} --target trn1", lambda: program(LARGE)),
    "output-unwritable": ("compile model.mlir -o no/model.neff", lambda: program(ADD)),
    "output-is-a-directory": ("compile model.mlir -o .", lambda: program(ADD)),
    "weights-unwritable": (
        f"{COMPILE} --external-weights no/weights.safetensors",
        lambda: program(ADD),
    ),
    "dump-ir-is-a-file": (f"{COMPILE} --dump-ir model.mlir", lambda: program(ADD)),
    "pass-unknown": ("opt --passes simplify,magic model.mlir", lambda: program(ADD)),
    "ir-malformed": ("opt --passes select model.mlir", lambda: program(BAD_IR)),
    "artifact-missing": ("inspect model.neff", dict),
    "artifact-empty": ("inspect model.neff", lambda: {"model.neff": b""}),
    "artifact-truncated": (RUN, lambda: artifact(lambda data: data[:-100])),
    "artifact-wrong-magic": (RUN, lambda: artifact(lambda data: b"\x7fELF" + data[4:])),
    "artifact-newer-version": (RUN, lambda: artifact(newer)),
    "artifact-flipped-code": (RUN, lambda: artifact(flipped(SectionKind.CODE))),
    "artifact-flipped-metadata": ("inspect model.neff", lambda: artifact(flipped(SectionKind(1)))),
    "artifact-flipped-constants": (
        "verify model.neff",
        lambda: artifact(flipped(SectionKind.CONSTANTS)),
    ),
    "checked-run-flipped-constants": (
        "run model.neff --random 0 --check",
        lambda: artifact(flipped(SectionKind.CONSTANTS)),
    ),
    "kernel-unknown": ("disasm model.neff --kernel magic", artifact),
    "inputs-missing": (RUN, artifact),
    "inputs-not-npz": (RUN, lambda: artifact() | {"inputs.npz": b"magic"}),
    "inputs-too-few": (RUN, inputs),
    "inputs-too-many": (RUN, lambda: inputs(arg0=X, arg1=X)),
    "inputs-wrong-name": (RUN, lambda: inputs(y=X)),
    "inputs-wrong-shape": (RUN, lambda: inputs(arg0=X[:2])),
    "inputs-wrong-type": (RUN, lambda: inputs(x=X.astype(np.float64))),
    "outputs-unwritable": ("run model.neff --random 0 -o no/outputs.npz", artifact),
}


@pytest.mark.parametrize("case", CASES)
def test_a_mistake_is_one_clear_message(
    case: str,
    golden: Callable[[str, str], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    command, files = CASES[case]
    monkeypatch.chdir(tmp_path)
    for name, data in files().items():
        Path(name).write_bytes(data)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*")}
    status = main(shlex.split(command))
    out, err = capfd.readouterr()
    assert {path: path.read_bytes() for path in tmp_path.rglob("*")} == before
    assert out == ""
    assert status == 1
    golden(f"errors/{case}.txt", f"$ neuronc {command}\n{err}")
