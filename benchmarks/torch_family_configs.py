"""How Hugging Face's families are made tiny: tables that benchmarks/torch_families.py reads."""

# pyright: basic
# transformers declares its configurations as keyword arguments of no type.

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

EXTENTS: dict[int, str] = {
    99: "vocab_size text_vocab_size decoder_vocab_size",
    64: "intermediate_size ffn_dim encoder_ffn_dim decoder_ffn_dim d_ff d_inner n_inner "
    "dim_feedforward ffn_hidden_size mlp_dim inner_dim feed_forward_size moe_intermediate_size "
    "shared_expert_intermediate_size mamba_d_ssm max_position_embeddings n_positions n_ctx "
    "max_seq_len max_sequence_length",
    32: "hidden_size d_model n_embd dim embed_dim embedding_size decoder_hidden_size "
    "encoder_hidden_size hidden_dim decoder_dim emb_dim attention_hidden_size conv_dim_out "
    "vision_feature_size n_embed projection_dim image_size",
    16: "num_mel_bins",
    8: "head_dim d_kv qk_nope_head_dim v_head_dim attention_head_dim qk_rope_head_dim "
    "kv_lora_rank q_lora_rank patch_size state_size sliding_window mamba_d_head mamba_d_state "
    "mamba_n_heads mamba_num_heads mamba_head_dim ssm_state_size linear_key_head_dim "
    "linear_value_head_dim time_step_rank",
    5: "num_queries num_object_queries",
    4: "num_attention_heads n_head n_heads num_heads encoder_attention_heads "
    "decoder_attention_heads decoder_num_attention_heads num_query_heads num_experts "
    "num_local_experts n_routed_experts moe_num_experts",
    2: "num_hidden_layers n_layer n_layers num_layers encoder_layers decoder_layers "
    "num_encoder_layers num_decoder_layers num_blocks decoder_num_hidden_layers "
    "n_encoder_layers n_decoder_layers depth num_key_value_heads n_head_kv num_kv_heads "
    "num_experts_per_tok moe_top_k moe_k num_experts_per_token top_k n_group num_expert_group "
    "n_shared_experts linear_num_key_heads mamba_n_groups n_groups",
    1: "topk_group",
}
SMALL = {name: extent for extent, names in EXTENTS.items() for name in names.split()}
"""What an integer of this name becomes, where the default is larger."""

LISTS: dict[str, int] = {
    "hidden_sizes": 8,
    "neck_hidden_sizes": 8,
    "embed_dims": 8,
    "depths": 0,
    "layers_block": 0,
}
"""Lists by stage: the first extent, doubled at each stage; 0 stands for one layer at each."""

NESTED = ("encoder", "decoder", "rope_parameters", "rope_scaling")
"""What has extents of its own, beside all that ends in `config`."""

FIXED: dict[str, Any] = {"head_dim": 8, "mrope_section": [2, 1, 1]}
"""What is None or a list by default, and follows from other extents."""

WORDS = 90
"""Words are below, of 99; above is what stands for other things."""

Nested = Mapping[str, Any]
RESNET: Nested = {
    "use_timm_backbone": False,
    "use_pretrained_backbone": False,
    "backbone": None,
    "backbone_config": {
        "model_type": "resnet",
        "embedding_size": 8,
        "hidden_sizes": [8, 16, 24, 32],
        "depths": [1, 1, 1, 1],
        "out_features": ["stage4"],
        "out_indices": [4],
    },
}
WINDOWED: Nested = {
    "embed_dim": 8,
    "depths": [1, 1],
    "num_heads": [2, 2],
    "window_size": 4,
    "image_size": 32,
    "patch_size": 2,
    "out_features": None,
    "out_indices": None,
}
PYRAMID: Nested = {
    "backbone_config": {
        **WINDOWED,
        "model_type": "swin",
        "image_size": 64,
        "depths": [1, 1, 1, 1],
        "num_heads": [1, 2, 4, 8],
        "out_features": ["stage1", "stage2", "stage3", "stage4"],
        "out_indices": [1, 2, 3, 4],
    },
}
STAGES: Nested = {"out_features": None, "out_indices": None}
FORECAST: Nested = {
    "prediction_length": 4,
    "context_length": 8,
    "lags_sequence": [1, 2],
    "feature_size": 5,
    "num_time_features": 1,
}
MROPE: Nested = {
    "text_config": {
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 1e4,
            "mrope_section": [2, 1, 1],
        },
    },
}
SPECIAL: dict[str, Nested] = {
    "detr": RESNET,
    "conditional_detr": RESNET,
    "table-transformer": RESNET,
    "siglip": {"text_config": {"projection_size": 32}, "vision_config": {}},
    "zamba2": {
        "hybrid_layer_ids": [1],
        "num_mem_blocks": 1,
        "layer_types": ["mamba", "hybrid"],
        "mamba_expand": 2,
        "n_mamba_heads": 4,
        "mamba_headdim": 16,
        "mamba_d_state": 8,
        "attention_head_dim": 16,
        "attention_hidden_size": 64,
        "use_mem_eff_path": False,
        "chunk_size": 4,
    },
    "efficientnet": {"hidden_dim": 320, "width_coefficient": 0.25, "depth_coefficient": 0.1},
    "vjepa2": {
        **{"crop_size": 32, "frames_per_clip": 4, "num_pooler_layers": 1},
        **{"pred_hidden_size": 64, "pred_num_attention_heads": 4, "pred_num_hidden_layers": 2},
    },
    "swin": WINDOWED,
    "swinv2": WINDOWED,
    "donut-swin": WINDOWED,
    "maskformer-swin": WINDOWED,
    "mask2former": PYRAMID,
    "maskformer": PYRAMID,
    "grounding-dino": PYRAMID,
    "sam": {
        "prompt_encoder_config": {"image_embedding_size": 4, "image_size": 32},
        "vision_config": {
            "output_channels": 32,
            "num_pos_feats": 16,
            "global_attn_indexes": [1],
            "window_size": 2,
        },
    },
    "audio-spectrogram-transformer": {"max_length": 32},
    "blip-2": {"vision_config": {}},
    "encodec": {"codebook_dim": 32},
    "mimi": {"codebook_dim": 32},
    "beit": STAGES,
    "vitdet": STAGES,
    "dinov2": STAGES,
    "dinov3_vit": STAGES,
    "bit": {"num_groups": 4},
    "gptj": {"rotary_dim": 4},
    "codegen": {"rotary_dim": 4},
    "deepseek_v2": {"num_key_value_heads": 4, "num_experts_per_tok": 2},
    "deepseek_v3": {
        "num_key_value_heads": 4,
        "first_k_dense_replace": 1,
        "n_group": 2,
        "topk_group": 1,
    },
    "mamba2": {"num_heads": 8, "head_dim": 8, "expand": 2, "n_groups": 2, "chunk_size": 4},
    "bamba": {"mamba_n_heads": 8, "mamba_d_head": 8, "mamba_d_state": 8, "mamba_chunk_size": 4},
    "xlnet": {"d_head": 8},
    "vits": {"vocab_size": 99},
    "time_series_transformer": FORECAST,
    "informer": FORECAST,
    "autoformer": FORECAST,
    "gpt_neo": {
        "attention_types": [[["global", "local"], 1]],
        "attention_layers": ["global", "local"],
        "window_size": 4,
    },
    "pvt": {"hidden_sizes": [8, 16, 20, 32], "num_attention_heads": [1, 2, 5, 8]},
    "glpn": {"hidden_sizes": [8, 16, 20, 32], "num_attention_heads": [1, 2, 5, 8]},
    "nemotron": {"head_dim": 8},
    "hunyuan_v1_dense": {"head_dim": 8},
    "mobilevitv2": {"image_size": 64},
    "layoutlmv3": {"coordinate_size": 6, "shape_size": 4},
    "lilt": {"hidden_size": 48},
    "bros": {"dim_bbox_projection": 8},
    "xmod": {"default_language": "en_XX"},
    "esm": {"vocab_size": 99, "pad_token_id": 1, "mask_token_id": 95},
    "swin2sr": WINDOWED,
    "dinov2_with_registers": STAGES,
    "reformer": {
        "axial_pos_embds_dim": [16, 16],
        "axial_pos_shape": [4, 16],
        "attention_head_size": 8,
    },
    "gemma3n_text": {"intermediate_size": [64, 64], "num_kv_shared_layers": 0},
    "gemma3n": {"text_config": {"intermediate_size": [64, 64], "num_kv_shared_layers": 0}},
    "gemma4_text": {"per_layer_config": None, "num_kv_shared_layers": 0},
    "gemma4": {"text_config": {"per_layer_config": None, "num_kv_shared_layers": 0}},
    "dots1": {"n_routed_experts": 4, "n_shared_experts": 1},
    "longcat_flash": {"head_dim": 8, "qk_head_dim": 16},
    "qwen2_vl": MROPE,
    "qwen2_5_vl": MROPE,
    "glm4v": MROPE,
    "lfm2_moe": {"layer_types": ["conv", "full_attention"]},
    "granitemoehybrid": {
        "mamba_n_heads": 8,
        "mamba_d_head": 8,
        "mamba_d_state": 8,
        "layer_types": ["mamba", "attention"],
    },
    "chameleon": {"vocabulary_map": {"<image>": 98}},
}
"""By model type: what replaces the small configuration's attributes."""

MASKED = ("longt5", "switch_transformers")
"""Families that make no mask of their own while they are exported, and fail without."""

CLASSES: dict[str, str] = {
    "pix2struct": "Pix2StructVisionModel:vision_config",
    "blip-2": "Blip2VisionModel:vision_config",
    "superpoint": "SuperPointForKeypointDetection",
    "speecht5": "SpeechT5ForSpeechToText",
    "qwen3_omni_moe": "Qwen3OmniMoeThinkerForConditionalGeneration:thinker_config",
}
"""By model type: the class to try, where it is not the family's base model; and the part of
the configuration that it takes."""
