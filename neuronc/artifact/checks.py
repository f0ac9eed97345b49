"""What must hold in an artifact besides its bytes being intact.

Checked at every load, so that whoever executes it need not: types are known, sizes fit the device,
records are legal, references lead somewhere, and no access leaves its buffer.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from neuronc.artifact.codec import DAMAGED
from neuronc.artifact.constants import nbytes
from neuronc.artifact.model import (
    Artifact,
    Buffer,
    BufferKind,
    Call,
    Case,
    Constant,
    Kernel,
    Step,
    TensorInfo,
    While,
)
from neuronc.artifact.streams import BUFFERS_MAX, buffer_key, check_streams
from neuronc.dtypes import BY_NAME
from neuronc.errors import ArtifactError
from neuronc.hardware import GENERATIONS, Generation

RANK_MAX = 32
"""More dimensions than NumPy takes on every supported version would fail later."""


def check_shape(shape: Sequence[int], dtype: str, limit_bytes: int, where: str) -> None:
    """The element type is known, and the array fits the device.

    Raises:
        ArtifactError: it does not hold.
    """
    if dtype not in BY_NAME:
        raise ArtifactError(where, f"{dtype!r} is not an element type", DAMAGED, code="NRC-0408")
    if len(shape) > RANK_MAX or any(n < 0 for n in shape):
        raise ArtifactError(
            where, f"{list(shape[:RANK_MAX])} is not a shape", DAMAGED, code="NRC-0408"
        )
    if nbytes(shape, dtype) > limit_bytes:
        problem = f"{nbytes(shape, dtype)} bytes, but the device has {limit_bytes}"
        raise ArtifactError(where, problem, DAMAGED, code="NRC-0408")


def check_constants(table: Sequence[Constant], target: str, name: str) -> None:
    """The shapes of the constants, before anything is computed from them.

    Raises:
        ArtifactError: one is wrong.
    """
    limit = _hbm_bytes(target, name)
    for i, c in enumerate(table):
        check_shape(c.shape, c.dtype, limit, f"{name}: constant table[{i}]")


def check_artifact(artifact: Artifact, name: str) -> None:
    """Everything but the constants' elements.

    Raises:
        ArtifactError: naming the first part that breaks a rule.
    """
    _check_signature(artifact, name)
    hw = GENERATIONS[artifact.target]
    for kernel in artifact.kernels:
        _check_kernel(kernel, hw, f"{name}: kernel {kernel.name}")
    needs = check_streams(artifact.kernels, len(artifact.sources), hw, name)
    _check_buffers(artifact, name)
    _check_steps(artifact, artifact.program, needs, f"{name}: program")


def _hbm_bytes(target: str, name: str) -> int:
    if target not in GENERATIONS:
        hint = f"this neuronc knows {', '.join(GENERATIONS)}"
        raise ArtifactError(
            f"{name}: metadata", f"{target!r} is not a target", hint, code="NRC-0407"
        )
    return GENERATIONS[target].hbm_bytes


def _check_signature(artifact: Artifact, name: str) -> None:
    limit = _hbm_bytes(artifact.target, name)
    for info in (*artifact.inputs, *artifact.outputs):
        where = f"{name}: signature: {info.name}"
        check_shape(info.shape, info.dtype, limit, where)
        _check_donation(info, artifact, where)
    if not 0 <= artifact.temporary_bytes <= limit:
        problem = f"{artifact.temporary_bytes} bytes of temporaries, but the device has {limit}"
        raise ArtifactError(f"{name}: metadata", problem, DAMAGED, code="NRC-0408")


def _check_donation(info: TensorInfo, artifact: Artifact, where: str) -> None:
    if info.donated == -1:
        return
    if not 0 <= info.donated < len(artifact.outputs):
        raise ArtifactError(
            where, f"donated to output {info.donated}, which is none", DAMAGED, code="NRC-0409"
        )
    output = artifact.outputs[info.donated]
    if nbytes(output.shape, output.dtype) != nbytes(info.shape, info.dtype):
        raise ArtifactError(
            where, f"donated to {output.name}, which has another size", DAMAGED, code="NRC-0409"
        )


def _check_kernel(kernel: Kernel, hw: Generation, where: str) -> None:
    if not 0 <= kernel.buffers <= BUFFERS_MAX:
        raise ArtifactError(where, f"{kernel.buffers} buffers", DAMAGED, code="NRC-0411")
    if any(not 0 <= w < kernel.buffers for w in kernel.written):
        raise ArtifactError(
            where, "writes a buffer that it does not have", DAMAGED, code="NRC-0413"
        )
    _check_library(kernel, hw.hbm_bytes, where)


def _check_library(kernel: Kernel, limit: int, where: str) -> None:
    for i, call in enumerate(kernel.library):
        at = f"{where}: library[{i}]"
        for operand in (*call.inputs, *call.outputs):
            if not 0 <= operand.argument < kernel.buffers:
                raise ArtifactError(
                    at, f"names buffer {operand.argument}, which is none", DAMAGED, code="NRC-0411"
                )
            check_shape(operand.shape, operand.dtype, limit, at)
        if not {operand.argument for operand in call.outputs} <= {*kernel.written}:
            raise ArtifactError(
                at, "writes a buffer that the kernel only reads", DAMAGED, code="NRC-0413"
            )
        try:
            params: object = json.loads(call.params)
        except (ValueError, RecursionError):
            params = None
        if not isinstance(params, dict):
            raise ArtifactError(
                at, "the parameters are not a JSON object", DAMAGED, code="NRC-0414"
            )


def _check_buffers(artifact: Artifact, name: str) -> None:
    limit = _hbm_bytes(artifact.target, name)
    for i, buffer in enumerate(artifact.buffers):
        where = f"{name}: buffers[{i}]"
        check_shape(buffer.shape, buffer.dtype, limit, where)
        room = _room(artifact, buffer, where)
        size = nbytes(buffer.shape, buffer.dtype)
        if buffer.bytes != size:
            raise ArtifactError(
                where, f"{size} bytes in a run of {buffer.bytes}", DAMAGED, code="NRC-0412"
            )
        whole = buffer.kind is BufferKind.TEMPORARY or (buffer.offset, size) == (0, room)
        if buffer.offset < 0 or buffer.offset + size > room or not whole:
            problem = f"{size} bytes at {buffer.offset}, of {room} bytes"
            raise ArtifactError(where, problem, DAMAGED, code="NRC-0412")
    held = [b.index for b in artifact.buffers if b.kind is BufferKind.OUTPUT]
    if sorted(held + _taken_over(artifact, held)) != list(range(len(artifact.outputs))):
        raise ArtifactError(f"{name}: buffers", "not one for each output", DAMAGED, code="NRC-0409")


def _taken_over(artifact: Artifact, held: Sequence[int]) -> list[int]:
    """The outputs without a buffer of their own: each is in that of the input donated to it."""
    given = (artifact.inputs[b.index] for b in artifact.buffers if b.kind is BufferKind.INPUT)
    return [i.donated for i in given if i.donated >= 0 and i.donated not in held]


def _room(artifact: Artifact, buffer: Buffer, where: str) -> int:
    """Bytes of what the buffer is; of the arena, for a temporary, which is a part of it."""
    if buffer.kind is BufferKind.TEMPORARY:
        return artifact.temporary_bytes
    owners: dict[BufferKind, Sequence[TensorInfo | Constant]] = {
        BufferKind.INPUT: artifact.inputs,
        BufferKind.OUTPUT: artifact.outputs,
        BufferKind.CONSTANT: artifact.constants,
    }
    owner = owners[buffer.kind]
    if not 0 <= buffer.index < len(owner):
        problem = f"names {buffer.kind.name.lower()} {buffer.index}, but there are {len(owner)}"
        raise ArtifactError(where, problem, DAMAGED, code="NRC-0411")
    return nbytes(owner[buffer.index].shape, owner[buffer.index].dtype)


def _check_steps(
    artifact: Artifact, steps: Sequence[Step], needs: dict[int, int], where: str
) -> None:
    for step in steps:
        match step:
            case Call():
                _check_call(artifact, step, needs, where)
            case While(condition, predicate, body):
                _check_scalar(artifact, predicate, ("i1",), where)
                _check_steps(artifact, (*condition, *body), needs, where)
            case Case(index, branches):
                _check_scalar(artifact, index, ("i1", "i32"), where)
                if not branches:
                    raise ArtifactError(where, "a case without branches", DAMAGED, code="NRC-0415")
                for branch in branches:
                    _check_steps(artifact, branch, needs, where)


def _check_scalar(artifact: Artifact, index: int, dtypes: Sequence[str], where: str) -> None:
    buffer = _buffer(artifact, index, where)
    if buffer.dtype not in dtypes or buffer.bytes != BY_NAME[buffer.dtype].bytes:
        problem = f"a branch on buffer {index}, which is {buffer.bytes} bytes of {buffer.dtype}"
        raise ArtifactError(where, problem, DAMAGED, code="NRC-0415")


def _check_call(artifact: Artifact, call: Call, needs: dict[int, int], where: str) -> None:
    if call.kernel >= len(artifact.kernels):
        problem = f"calls kernel {call.kernel}, but there are {len(artifact.kernels)}"
        raise ArtifactError(where, problem, DAMAGED, code="NRC-0411")
    kernel = artifact.kernels[call.kernel]
    at = f"{where}: call of {kernel.name}"
    if len(call.buffers) != kernel.buffers:
        problem = f"{len(call.buffers)} buffers are given, {kernel.buffers} needed"
        raise ArtifactError(at, problem, DAMAGED, code="NRC-0411")
    for argument, index in enumerate(call.buffers):
        buffer, size = _buffer(artifact, index, at), needs.get(buffer_key(call.kernel, argument), 0)
        if buffer.bytes < size:
            problem = f"reaches {size} bytes into argument {argument}, which has {buffer.bytes}"
            raise ArtifactError(at, problem, DAMAGED, code="NRC-0412")
    for argument in kernel.written:
        _check_writable(artifact, call.buffers[argument], at)


def _check_writable(artifact: Artifact, index: int, where: str) -> None:
    """Constants, and inputs that are not donated, are only read."""
    buffer = artifact.buffers[index]
    donated = buffer.kind is BufferKind.INPUT and artifact.inputs[buffer.index].donated >= 0
    if buffer.kind not in (BufferKind.TEMPORARY, BufferKind.OUTPUT) and not donated:
        problem = f"writes {buffer.kind.name.lower()} {buffer.index}, which is only read"
        raise ArtifactError(where, problem, DAMAGED, code="NRC-0413")


def _buffer(artifact: Artifact, index: int, where: str) -> Buffer:
    if index >= len(artifact.buffers):
        problem = f"names buffer {index}, but there are {len(artifact.buffers)}"
        raise ArtifactError(where, problem, DAMAGED, code="NRC-0411")
    return artifact.buffers[index]
