"""The same models by torch-mlir and by torchax: two more opinions of what ATen means.

They come with `pip install 'neuronc[torch-oracle]'`; a test whose oracle is absent is skipped.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch_compare import error, tensors
from torch_zoo import make

import neuronc
import neuronc.torch
from neuronc.torch.elements import to_numpy

ROOT = Path(__file__).parents[1]
MODELS = ("MLP", "ResNet-18", "Llama", "Qwen3", "ViT", "T5 encoder", "DiT block", "LSTM", "Mamba")
TOLERANCE = 2e-5
"""As against eager PyTorch."""


@pytest.mark.parametrize("oracle", ["torch_mlir", "torchax"])
def test_another_compiler_of_torch_agrees(oracle: str, tmp_path: Path) -> None:
    if find_spec(oracle) is None:
        pytest.skip(f"{oracle} is not installed: pip install 'neuronc[torch-oracle]'")
    out, script = tmp_path / "out.npz", Path(__file__).with_name("torch_oracles.py")
    command = [sys.executable, str(script), oracle, str(out), *MODELS]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'benchmarks'}"}
    subprocess.run(command, check=True, capture_output=True, env=environment)
    with np.load(out) as archive:
        found = dict(archive)
    judged = [name for name in MODELS if f"{name}/error" not in found]
    for name in judged:
        theirs = [found[key] for key in found if key.startswith(f"{name}/")]
        wanted = [torch.from_numpy(array) for array in theirs]
        assert error(_ours(name), wanted) <= TOLERANCE, name
    # An oracle that has come to judge nothing is none; what it gives up on today is in the notes.
    gave_up = {name: str(found[f"{name}/error"]) for name in MODELS if name not in judged}
    assert len(judged) >= len(MODELS) // 2, gave_up


def _ours(name: str) -> list[Any]:
    model, args, kwargs = make(name)
    program = neuronc.load(neuronc.torch.compile_model(model, args, kwargs))
    return program(*(to_numpy(t) for t in tensors((args, kwargs))))
