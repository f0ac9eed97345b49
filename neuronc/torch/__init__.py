"""PyTorch models in: `export`, `compile_model`, `register`, `explain`. Needs `neuronc[torch]`.

    exported = neuronc.torch.export(model, (x,))
    compiled = neuronc.torch.compile_model(model, (x,), target="trn2")
    (y,) = neuronc.load(compiled)(x.numpy())

Names are imported when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from neuronc.torch.breaks import explain
    from neuronc.torch.entry import compile_exported, compile_model, export
    from neuronc.torch.exported import Exported
    from neuronc.torch.registration import register

__all__ = ["Exported", "compile_exported", "compile_model", "explain", "export", "register"]

_HOME = {
    "Exported": "neuronc.torch.exported",
    "compile_exported": "neuronc.torch.entry",
    "compile_model": "neuronc.torch.entry",
    "explain": "neuronc.torch.breaks",
    "export": "neuronc.torch.entry",
    "register": "neuronc.torch.registration",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_HOME[name]), name)
    return value
