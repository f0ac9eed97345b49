"""Tiny models of diffusers: by class, how it is made and what it is called with."""

# pyright: basic
# diffusers may not be installed.

from __future__ import annotations

from importlib import import_module
from typing import Any

import torch
from torch import nn

Made = tuple[nn.Module, tuple[Any, ...], dict[str, Any]]
WIDTHS = (16, 32)
UNET: dict[str, Any] = {
    "block_out_channels": WIDTHS,
    "layers_per_block": 1,
    "norm_num_groups": 8,
}
CROSS: dict[str, Any] = {**UNET, "cross_attention_dim": 24, "attention_head_dim": 8}
VAE: dict[str, Any] = {
    "down_block_types": ("DownEncoderBlock2D",) * 2,
    "up_block_types": ("UpDecoderBlock2D",) * 2,
    "block_out_channels": WIDTHS,
    "norm_num_groups": 8,
}
HEADS: dict[str, Any] = {"num_attention_heads": 2, "attention_head_dim": 16}
DIT: dict[str, Any] = {**HEADS, "num_layers": 2, "sample_size": 8, "patch_size": 2}


def _blocks(kind: str) -> dict[str, Any]:
    """Two levels of a U-Net, the first with cross attention."""
    names = (f"CrossAttnDownBlock{kind}", f"DownBlock{kind}")
    return {
        "down_block_types": names,
        "up_block_types": (f"UpBlock{kind}", f"CrossAttnUpBlock{kind}"),
    }


CONFIGS: dict[str, dict[str, Any]] = {
    "UNet2DModel": {
        **UNET,
        "down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
        "up_block_types": ("AttnUpBlock2D", "UpBlock2D"),
        "norm_num_groups": 8,
    },
    "UNet2DConditionModel": {**CROSS, **_blocks("2D")},
    "UNet3DConditionModel": {**CROSS, **_blocks("3D")},
    "UNetSpatioTemporalConditionModel": {
        **_blocks("SpatioTemporal"),
        "block_out_channels": (32, 64),
        "layers_per_block": 1,
        "cross_attention_dim": 24,
        "num_attention_heads": (2, 2),
        "addition_time_embed_dim": 16,
        "projection_class_embeddings_input_dim": 48,
        "num_frames": 2,
    },
    "ControlNetModel": {
        **CROSS,
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "conditioning_embedding_out_channels": (8, 16),
    },
    "AutoencoderKL": VAE,
    "VQModel": {**VAE, "num_vq_embeddings": 32},
    "AsymmetricAutoencoderKL": {
        "down_block_types": VAE["down_block_types"],
        "up_block_types": VAE["up_block_types"],
        "down_block_out_channels": WIDTHS,
        "up_block_out_channels": WIDTHS,
        "norm_num_groups": 8,
    },
    "AutoencoderTiny": {
        "encoder_block_out_channels": (16, 16, 16, 16),
        "decoder_block_out_channels": (16, 16, 16, 16),
    },
    "AutoencoderDC": {
        "latent_channels": 8,
        "attention_head_dim": 8,
        "encoder_block_types": ("ResBlock", "EfficientViTBlock"),
        "decoder_block_types": ("ResBlock", "EfficientViTBlock"),
        "encoder_block_out_channels": WIDTHS,
        "decoder_block_out_channels": WIDTHS,
        "encoder_layers_per_block": (1, 1),
        "decoder_layers_per_block": (1, 1),
        "encoder_qkv_multiscales": ((), (5,)),
        "decoder_qkv_multiscales": ((), (5,)),
    },
    "AutoencoderKLWan": {"base_dim": 8, "num_res_blocks": 1, "dim_mult": [1, 2, 2, 2]},
    "AutoencoderKLCogVideoX": {
        "block_out_channels": (8, 8, 16, 16),
        "latent_channels": 4,
        "layers_per_block": 1,
        "norm_num_groups": 4,
    },
    "AutoencoderOobleck": {
        "encoder_hidden_size": 8,
        "downsampling_ratios": [2, 4],
        "channel_multiples": [1, 2],
        "decoder_channels": 8,
        "decoder_input_channels": 4,
    },
    "AutoencoderKLLTXVideo": {
        "latent_channels": 8,
        "block_out_channels": (8, 8, 16, 16),
        "decoder_block_out_channels": (8, 8, 16, 16),
        "layers_per_block": (1, 1, 1, 1, 1),
        "decoder_layers_per_block": (1, 1, 1, 1, 1),
    },
    "AutoencoderKLMochi": {
        "encoder_block_out_channels": (32, 32, 32, 32),
        "decoder_block_out_channels": (32, 32, 32, 32),
        "layers_per_block": (1, 1, 1, 1, 1),
    },
    "AutoencoderKLHunyuanVideo": {
        "block_out_channels": (8, 8, 8, 8),
        "layers_per_block": 1,
        "norm_num_groups": 4,
        "latent_channels": 4,
    },
    "AutoencoderKLTemporalDecoder": {
        "down_block_types": VAE["down_block_types"],
        "block_out_channels": (32, 32),
    },
    "DiTTransformer2DModel": {**DIT, "in_channels": 4},
    "PixArtTransformer2DModel": {
        **DIT,
        "cross_attention_dim": 32,
        "caption_channels": 24,
        "use_additional_conditions": False,
    },
    "FluxTransformer2DModel": {
        **HEADS,
        "in_channels": 16,
        "num_layers": 1,
        "num_single_layers": 1,
        "joint_attention_dim": 24,
        "pooled_projection_dim": 24,
        "axes_dims_rope": (4, 4, 8),
    },
    "Flux2Transformer2DModel": {
        **HEADS,
        "in_channels": 16,
        "num_layers": 1,
        "num_single_layers": 1,
        "joint_attention_dim": 24,
        "axes_dims_rope": (4, 4, 4, 4),
    },
    "ChromaTransformer2DModel": {
        **HEADS,
        "in_channels": 16,
        "num_layers": 1,
        "num_single_layers": 1,
        "joint_attention_dim": 24,
        "axes_dims_rope": (4, 4, 8),
        "approximator_num_channels": 8,
        "approximator_hidden_dim": 16,
        "approximator_layers": 1,
    },
    "SD3Transformer2DModel": {
        **DIT,
        "joint_attention_dim": 24,
        "caption_projection_dim": 32,
        "pooled_projection_dim": 24,
        "qk_norm": "rms_norm",
        "dual_attention_layers": (0,),
    },
    "WanTransformer3DModel": {
        **HEADS,
        "num_layers": 2,
        "text_dim": 24,
        "freq_dim": 16,
        "ffn_dim": 48,
    },
    "CogVideoXTransformer3DModel": {
        **HEADS,
        "num_layers": 2,
        "text_embed_dim": 24,
        "time_embed_dim": 16,
        "sample_width": 8,
        "sample_height": 8,
        "sample_frames": 5,
        "max_text_seq_length": 7,
    },
    "LTXVideoTransformer3DModel": {
        **HEADS,
        "in_channels": 8,
        "out_channels": 8,
        "num_layers": 2,
        "cross_attention_dim": 32,
        "caption_channels": 24,
    },
    "SanaTransformer2DModel": {
        **HEADS,
        "num_layers": 2,
        "in_channels": 4,
        "out_channels": 4,
        "num_cross_attention_heads": 2,
        "cross_attention_head_dim": 16,
        "cross_attention_dim": 32,
        "caption_channels": 24,
        "sample_size": 8,
    },
    "Lumina2Transformer2DModel": {
        "hidden_size": 48,
        "num_layers": 2,
        "num_refiner_layers": 1,
        "num_attention_heads": 4,
        "num_kv_heads": 2,
        "multiple_of": 16,
        "axes_dim_rope": (4, 4, 4),
        "axes_lens": (32, 32, 32),
        "cap_feat_dim": 24,
        "in_channels": 4,
    },
    "HunyuanVideoTransformer3DModel": {
        **HEADS,
        "in_channels": 4,
        "out_channels": 4,
        "num_layers": 1,
        "num_single_layers": 1,
        "num_refiner_layers": 1,
        "text_embed_dim": 24,
        "pooled_projection_dim": 24,
        "rope_axes_dim": (4, 4, 8),
    },
    "AuraFlowTransformer2DModel": {
        **HEADS,
        "sample_size": 8,
        "num_mmdit_layers": 1,
        "num_single_dit_layers": 1,
        "joint_attention_dim": 24,
        "caption_projection_dim": 32,
        "pos_embed_max_size": 64,
    },
    "QwenImageTransformer2DModel": {
        **HEADS,
        "in_channels": 16,
        "out_channels": 4,
        "num_layers": 2,
        "joint_attention_dim": 24,
        "axes_dims_rope": (4, 4, 8),
    },
    "CogView4Transformer2DModel": {
        **HEADS,
        "in_channels": 4,
        "out_channels": 4,
        "num_layers": 2,
        "text_embed_dim": 24,
        "time_embed_dim": 16,
        "condition_dim": 8,
        "sample_size": 8,
        "rope_axes_dim": (8, 8),
    },
    "MochiTransformer3DModel": {
        **HEADS,
        "num_layers": 2,
        "pooled_projection_dim": 16,
        "in_channels": 4,
        "text_embed_dim": 24,
        "time_embed_dim": 16,
    },
    "StableAudioDiTModel": {
        **HEADS,
        "sample_size": 16,
        "in_channels": 8,
        "num_layers": 2,
        "num_key_value_attention_heads": 1,
        "out_channels": 8,
        "cross_attention_dim": 32,
        "time_proj_dim": 16,
        "global_states_input_dim": 24,
        "cross_attention_input_dim": 24,
    },
    "PriorTransformer": {
        **HEADS,
        "num_layers": 2,
        "embedding_dim": 24,
        "num_embeddings": 5,
        "additional_embeddings": 4,
    },
    "LatteTransformer3DModel": {
        **HEADS,
        "in_channels": 4,
        "num_layers": 1,
        "sample_size": 8,
        "patch_size": 2,
        "norm_type": "ada_norm_single",
        "norm_elementwise_affine": False,
        "caption_channels": 24,
        "cross_attention_dim": 32,
        "video_length": 2,
    },
}


def _noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape)


TEXT = (1, 5, 24)
IMAGE: dict[str, Any] = {"sample": (1, 3, 16, 16)}
CONDITIONED: dict[str, Any] = {"encoder_hidden_states": TEXT, "timestep": torch.tensor([7])}
PLACES: dict[str, Any] = {"img_ids": torch.arange(48.0).view(16, 3) % 4}
FLUX: dict[str, Any] = {
    **CONDITIONED,
    **PLACES,
    "hidden_states": (1, 16, 16),
    "txt_ids": torch.zeros(5, 3),
    "timestep": torch.tensor([0.7]),
}
ONES = torch.ones(1, 5, dtype=torch.bool)

INPUTS: dict[str, dict[str, Any]] = {
    "UNet2DModel": {**IMAGE, "timestep": 7},
    "UNet2DConditionModel": {**CONDITIONED, "sample": (1, 4, 16, 16)},
    "UNet3DConditionModel": {**CONDITIONED, "sample": (1, 4, 2, 16, 16)},
    "UNetSpatioTemporalConditionModel": {
        "sample": (1, 2, 8, 16, 16),
        "timestep": torch.tensor([7]),
        "encoder_hidden_states": (1, 1, 24),
        "added_time_ids": (1, 3),
    },
    "ControlNetModel": {
        **CONDITIONED,
        "sample": (1, 4, 16, 16),
        "controlnet_cond": (1, 3, 32, 32),
    },
    "AutoencoderKL": IMAGE,
    "VQModel": IMAGE,
    "AsymmetricAutoencoderKL": IMAGE,
    "AutoencoderTiny": {"sample": (1, 3, 32, 32)},
    "AutoencoderDC": IMAGE,
    "AutoencoderKLWan": {"sample": (1, 3, 5, 16, 16)},
    "AutoencoderKLCogVideoX": {"sample": (1, 3, 5, 16, 16)},
    "AutoencoderOobleck": {"sample": (1, 2, 64)},
    "AutoencoderKLLTXVideo": {"sample": (1, 3, 9, 32, 32)},
    "AutoencoderKLMochi": {"sample": (1, 3, 7, 16, 16)},
    "AutoencoderKLHunyuanVideo": {"sample": (1, 3, 5, 16, 16)},
    "AutoencoderKLTemporalDecoder": {"sample": (2, 3, 16, 16), "num_frames": 2},
    "DiTTransformer2DModel": {
        "hidden_states": (1, 4, 8, 8),
        "timestep": torch.tensor([7]),
        "class_labels": torch.tensor([3]),
    },
    "PixArtTransformer2DModel": {
        **CONDITIONED,
        "hidden_states": (1, 4, 8, 8),
        "added_cond_kwargs": {"resolution": None, "aspect_ratio": None},
    },
    "FluxTransformer2DModel": {**FLUX, "pooled_projections": (1, 24)},
    "Flux2Transformer2DModel": {
        **FLUX,
        "img_ids": torch.arange(64.0).view(16, 4) % 5,
        "txt_ids": torch.zeros(5, 4),
        "guidance": torch.tensor([3.5]),
    },
    "ChromaTransformer2DModel": FLUX,
    "SD3Transformer2DModel": {
        **CONDITIONED,
        "hidden_states": (1, 16, 8, 8),
        "pooled_projections": (1, 24),
    },
    "WanTransformer3DModel": {**CONDITIONED, "hidden_states": (1, 16, 2, 8, 8)},
    "CogVideoXTransformer3DModel": {
        "hidden_states": (1, 2, 16, 8, 8),
        "encoder_hidden_states": (1, 7, 24),
        "timestep": torch.tensor([7]),
    },
    "LTXVideoTransformer3DModel": {
        **CONDITIONED,
        "hidden_states": (1, 32, 8),
        "encoder_attention_mask": torch.ones(1, 5),
        "num_frames": 2,
        "height": 4,
        "width": 4,
    },
    "SanaTransformer2DModel": {**CONDITIONED, "hidden_states": (1, 4, 8, 8)},
    "Lumina2Transformer2DModel": {
        **CONDITIONED,
        "hidden_states": (1, 4, 8, 8),
        "encoder_attention_mask": ONES,
    },
    "HunyuanVideoTransformer3DModel": {
        **CONDITIONED,
        "hidden_states": (1, 4, 2, 8, 8),
        "encoder_attention_mask": ONES,
        "pooled_projections": (1, 24),
        "guidance": torch.tensor([6.0]),
    },
    "AuraFlowTransformer2DModel": {**CONDITIONED, "hidden_states": (1, 4, 8, 8)},
    "QwenImageTransformer2DModel": {
        **CONDITIONED,
        "hidden_states": (1, 16, 16),
        "encoder_hidden_states_mask": torch.ones(1, 5, dtype=torch.long),
        "img_shapes": [(1, 4, 4)],
    },
    "CogView4Transformer2DModel": {
        **CONDITIONED,
        "hidden_states": (1, 4, 8, 8),
        "original_size": torch.tensor([[64.0, 64.0]]),
        "target_size": torch.tensor([[64.0, 64.0]]),
        "crop_coords": torch.tensor([[0.0, 0.0]]),
    },
    "MochiTransformer3DModel": {
        **CONDITIONED,
        "hidden_states": (1, 4, 2, 8, 8),
        "encoder_attention_mask": ONES,
    },
    "StableAudioDiTModel": {
        **CONDITIONED,
        "hidden_states": (1, 8, 16),
        "global_hidden_states": (1, 1, 24),
        "rotary_embedding": (torch.ones(17, 8), torch.zeros(17, 8)),
    },
    "PriorTransformer": {
        "hidden_states": (1, 24),
        "timestep": torch.tensor([7]),
        "proj_embedding": (1, 24),
        "encoder_hidden_states": TEXT,
    },
    "LatteTransformer3DModel": {**CONDITIONED, "hidden_states": (1, 4, 2, 8, 8)},
}
"""Arguments by name: tensors of noise by their shapes, and what is not noise as it is."""


def make(name: str) -> Made:
    """A tiny model of a class, with random weights, and the arguments of one call."""
    diffusers: Any = import_module("diffusers")
    model = getattr(diffusers, name)(**CONFIGS[name]).eval()
    given = {k: _argument(v) for k, v in INPUTS[name].items()}
    return model, (), {**given, "return_dict": False}


def _argument(value: Any) -> Any:
    shape = isinstance(value, tuple) and all(isinstance(n, int) for n in value)
    return _noise(*value) if shape else value
