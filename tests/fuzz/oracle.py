"""XLA on CPU: compiles the same text, and the same text with every float widened to float64."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import jax
import numpy as np
from jax._src import compiler
from jax.extend import backend as backends
from jaxlib import _jax
from numpy.typing import NDArray

Array = NDArray[np.generic]
Run = Callable[[Sequence[Array]], list[Array]]


def compile_program(text: str) -> Run:
    """The program as XLA compiles it."""
    client, device, options = _client()
    executable = client.compile_and_load(text, device, options)

    def run(inputs: Sequence[Array]) -> list[Array]:
        with jax.enable_x64(True):
            placed = [jax.device_put(x) for x in inputs]
            results = executable.execute_sharded(placed)
            arrays = results.disassemble_into_single_device_arrays()
            return [np.asarray(shards[0]) for shards in arrays]

    return run


def widened(text: str) -> str:
    """The same program in float64; parameters of types named in ops (`<f32>`) go along."""
    return re.sub(r"(?<=[x<])(f32|bf16|f16)(?=>)", "f64", text)


@cache
def _client() -> tuple[Any, Any, Any]:
    client = backends.get_backend("cpu")
    devices = _jax.DeviceList(tuple(client.local_devices()[:1]))
    # Unoptimised code compiles twice as fast, and is nearer to the text.
    flags = {"xla_backend_optimization_level": 0, "xla_allow_excess_precision": False}
    options = compiler.get_compile_options(
        num_replicas=1, num_partitions=1, env_options_overrides=flags
    )
    return client, devices, options
