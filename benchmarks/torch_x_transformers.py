"""Models of x-transformers: one for each of its variations on a transformer."""

# pyright: basic
# A library that may not be installed, whose options have no types.

from __future__ import annotations

from importlib import import_module
from typing import Any

import torch
from torch import nn

WORDS, LENGTH, WIDTH = 99, 12, 32
VARIATIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "rotary": {"rotary_pos_emb": True, "attn_flash": True},
    "alibi": {"alibi_pos_bias": True, "alibi_num_heads": 2},
    "relative": {"rel_pos_bias": True},
    "dynamic_position": {"dynamic_pos_bias": True, "dynamic_pos_bias_log_distance": False},
    "swiglu": {"ff_glu": True, "ff_swish": True, "use_rmsnorm": True, "ff_no_bias": True},
    "relu_squared": {"ff_relu_squared": True, "use_scalenorm": True},
    "qk_norm": {"attn_qk_norm": True, "attn_qk_norm_dim_scale": True},
    "talking_heads": {"attn_pre_talking_heads": True, "attn_post_talking_heads": True},
    "sparse_topk": {"attn_sparse_topk": 4},
    "one_kv_head": {"attn_one_kv_head": True},
    "grouped_kv": {"attn_kv_heads": 2},
    "memory_kv": {"attn_num_mem_kv": 4},
    "gated_values": {"attn_gate_values": True, "gate_residual": True},
    "residual_attention": {"residual_attn": True},
    "macaron": {"macaron": True},
    "sandwich": {"sandwich_coef": 1},
    "shift_tokens": {"shift_tokens": 1},
    "sandwich_norm": {"sandwich_norm": True},
    "deepnorm": {"scale_residual": True, "pre_norm": False},
    "hyper_connections": {"num_residual_streams": 2},
}
OTHERS = ("encoder", "images", "encoder_decoder", "continuous", "memory_tokens")


def names() -> list[str]:
    """All that can be tried."""
    return [*VARIATIONS, *OTHERS]


def make(name: str) -> tuple[nn.Module, tuple[Any, ...], dict[str, Any]]:
    """A model with the arguments of one call."""
    x: Any = import_module("x_transformers")
    words = torch.randint(0, WORDS, (1, LENGTH))
    if name == "continuous":
        model = x.ContinuousTransformerWrapper(
            dim_in=8, dim_out=8, max_seq_len=16, attn_layers=_layers(x.Encoder)
        )
        return model.eval(), (torch.randn(1, LENGTH, 8),), {}
    if name == "images":
        model = x.ViTransformerWrapper(
            image_size=32, patch_size=8, num_classes=10, attn_layers=_layers(x.Encoder)
        )
        return model.eval(), (torch.randn(1, 3, 32, 32),), {}
    if name == "encoder_decoder":
        sides = {
            f"{side}_{option}": value
            for side in ("enc", "dec")
            for option, value in {"num_tokens": WORDS, "max_seq_len": 16, **SIZES}.items()
        }
        model = x.XTransformer(dim=WIDTH, tie_token_emb=True, return_tgt_loss=False, **sides)
        return model.eval(), (words, words), {}
    kind = x.Encoder if name == "encoder" else x.Decoder
    extra = {"num_memory_tokens": 4} if name == "memory_tokens" else {}
    layers = _layers(kind, **VARIATIONS.get(name, {}))
    model = x.TransformerWrapper(num_tokens=WORDS, max_seq_len=16, attn_layers=layers, **extra)
    return model.eval(), (words,), {}


SIZES = {"depth": 2, "heads": 4}


def _layers(kind: Any, **options: Any) -> Any:
    return kind(dim=WIDTH, attn_dim_head=8, **SIZES, **options)
