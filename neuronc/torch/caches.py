"""KV caches of Hugging Face's transformers, as arguments and outputs of what torch exports.

Torch flattens what it knows: a cache must be registered as a tree of its tensors, which
transformers leaves to its own exporter.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import torch

EXPORTER = "transformers.exporters.exporter_dynamo"


def register_caches(model: torch.nn.Module) -> None:
    """Make the caches of a model's families known to torch; nothing where none is of theirs."""
    transformers: Any = sys.modules.get("transformers")
    kind = getattr(transformers, "PreTrainedModel", None)
    families = [m for m in model.modules() if kind is not None and isinstance(m, kind)]
    if not families:
        return
    try:
        exporter = import_module(EXPORTER)
    except ImportError:  # an older release: models must be called with use_cache=False
        return
    for family in families:
        exporter.register_cache_pytrees_for_model(family)
