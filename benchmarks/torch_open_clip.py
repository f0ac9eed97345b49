"""Models of open_clip, cut small: towers of transformers, of a ResNet, and captions."""

# pyright: basic
# A library that may not be installed, whose configurations have no types.

from __future__ import annotations

from importlib import import_module
from typing import Any

import torch
from torch import nn

WORDS, LENGTH, SIDE = 99, 12, 32
TEXT: dict[str, Any] = {
    "context_length": LENGTH,
    "vocab_size": WORDS,
    "width": 32,
    "heads": 4,
    "layers": 2,
}
VISION: dict[str, Any] = {
    "image_size": SIDE,
    "patch_size": 8,
    "width": 32,
    "head_width": 8,
    "layers": 2,
}
KINDS: dict[str, dict[str, Any]] = {
    "clip": {},
    "quick_gelu": {"quick_gelu": True},
    "resnet": {"vision_cfg": {"layers": [1, 1, 1, 1], "width": 16, "image_size": SIDE}},
    "mean_pooled": {"vision_cfg": {**VISION, "pool_type": "avg", "final_ln_after_pool": True}},
    "attentional_pool": {
        "vision_cfg": {**VISION, "attentional_pool": True, "attn_pooler_heads": 4}
    },
    "patch_dropout": {"vision_cfg": {**VISION, "patch_dropout": 0.5}},
    "layer_scale": {"vision_cfg": {**VISION, "ls_init_value": 0.1}},
    "siglip": {"init_logit_bias": -10.0},
    "text_mean": {"text_cfg": {**TEXT, "pool_type": "last", "no_causal_mask": True}},
}


def names() -> list[str]:
    """All that can be tried."""
    return [*KINDS, "custom_text", "coca"]


def make(name: str) -> tuple[nn.Module, tuple[Any, ...], dict[str, Any]]:
    """A model with an image and a text."""
    library: Any = import_module("open_clip")
    towers = {"embed_dim": 32, "vision_cfg": VISION, "text_cfg": TEXT}
    if name == "coca":
        pooled = {**VISION, "attentional_pool": True, "attn_pooler_heads": 4, "output_tokens": True}
        text = {**TEXT, "embed_cls": True, "output_tokens": True, "context_length": LENGTH}
        both = {"multimodal_cfg": TEXT, "text_cfg": text, "vision_cfg": pooled}
        model = library.CoCa(**{**towers, **both})
    elif name == "custom_text":
        model = library.CustomTextCLIP(**towers)
    else:
        model = library.CLIP(**{**towers, **KINDS[name]})
    words = torch.randint(1, WORDS, (1, LENGTH))
    return model.eval(), (torch.randn(1, 3, SIDE, SIDE), words), {}
