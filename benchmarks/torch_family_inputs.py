"""The arguments of one call, by the names that the forward of a Hugging Face model takes."""

# pyright: basic
# transformers declares its configurations as keyword arguments of no type.

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch_family_configs import MASKED, WORDS

TOKENS = 12
IMAGE = 32
AUDIO_SAMPLES = 2000


def inputs(model: nn.Module, config: Any) -> dict[str, Any]:
    """Arguments by the names that the model's forward takes."""
    taken = inspect.signature(model.forward).parameters
    main = getattr(model, "main_input_name", "input_ids")
    found: dict[str, Any] = {}
    for name in dict.fromkeys((main, *taken)):
        if name in taken and name in ARGUMENTS and _wanted(name, main, taken):
            found[name] = ARGUMENTS[name](config)
    if getattr(config, "model_type", "") in MASKED:
        found["attention_mask"] = torch.ones(1, TOKENS, dtype=torch.long)
    if "return_loss" in taken:
        found["return_loss"] = False
    return found


OPTIONAL = {
    *("input_ids", "pixel_values", "decoder_input_ids", "bbox", "future_values"),
    *("noise", "future_time_features", "states", "actions", "returns_to_go", "timesteps"),
}
"""Arguments given wherever they are taken, though they may have a default."""


def _wanted(name: str, main: str, taken: Mapping[str, inspect.Parameter]) -> bool:
    required = taken[name].default is inspect.Parameter.empty
    return required or name == main or name in OPTIONAL


def _ids(count: int) -> Any:
    return lambda config: torch.randint(4, WORDS, (1, count))


def _deep(config: Any, name: str, default: Any) -> Any:
    """An attribute of a configuration, or of one within it."""
    if getattr(config, name, None) is not None:
        return getattr(config, name)
    for key in ("vision_config", "backbone_config", "audio_config", "encoder", "text_config"):
        inner = getattr(config, key, None)
        if inner is not None and getattr(inner, name, None) is not None:
            return getattr(inner, name)
    return default


def _image(config: Any) -> torch.Tensor:
    size = _deep(config, "image_size", IMAGE)
    extents = tuple(size) if isinstance(size, list | tuple) else (size, size)
    channels = _deep(config, "num_channels", 3)
    frames = getattr(config, "num_frames", None)
    lead = (1, frames) if isinstance(frames, int) else (1,)
    return torch.randn(*lead, channels if isinstance(channels, int) else 3, *extents)


def _video(config: Any) -> torch.Tensor:
    size = _deep(config, "crop_size", _deep(config, "image_size", IMAGE))
    return torch.randn(1, _deep(config, "frames_per_clip", 4), 3, size, size)


def _features(config: Any) -> torch.Tensor:
    mels = _deep(config, "num_mel_bins", _deep(config, "input_feat_per_channel", 16))
    if getattr(config, "model_type", "") in ("whisper",):
        return torch.randn(1, mels, 2 * config.max_source_positions)
    return torch.randn(1, 40, mels)


def _history(config: Any) -> int:
    """The time steps that a forecast looks back on."""
    return config.context_length + max(getattr(config, "lags_sequence", None) or [0])


def _past(config: Any) -> torch.Tensor:
    forecast = hasattr(config, "lags_sequence")
    shape = (1, _history(config)) if forecast else (1, config.context_length, 1)
    return torch.randn(*shape)


MONO = ("encodec", "dac", "mimi", "xcodec")


def _waveform(config: Any) -> torch.Tensor:
    if config.model_type == "audio-spectrogram-transformer":
        return torch.randn(1, config.max_length, config.num_mel_bins)
    lead = (1, 1) if config.model_type in MONO else (1,)
    return torch.randn(*lead, AUDIO_SAMPLES)


def _patches(config: Any) -> torch.Tensor:
    places = torch.arange(1.0, 7.0)[:, None].expand(6, 2)
    return torch.cat([places, torch.randn(6, config.patch_embed_hidden_size)], 1)[None]


ARGUMENTS: dict[str, Any] = {
    "input_ids": _ids(TOKENS),
    "decoder_input_ids": _ids(6),
    "pixel_values": _image,
    "pixel_values_videos": _video,
    "input_values": _waveform,
    "input_features": _features,
    "attention_mask": lambda config: torch.ones(1, TOKENS, dtype=torch.long),
    "past_values": _past,
    "inputs": lambda config: torch.randn(1, TOKENS, config.d_model),
    "states": lambda config: torch.randn(1, 4, config.state_dim),
    "actions": lambda config: torch.randn(1, 4, config.act_dim),
    "returns_to_go": lambda config: torch.randn(1, 4, 1),
    "timesteps": lambda config: torch.arange(4)[None],
    "past_time_features": lambda config: torch.randn(1, _history(config), 1),
    "past_observed_mask": lambda config: torch.ones(1, _history(config)),
    "future_values": lambda config: torch.randn(1, config.prediction_length),
    "future_time_features": lambda config: torch.randn(1, config.prediction_length, 1),
    "flattened_patches": _patches,
    "noise": lambda config: torch.rand(1, (IMAGE // config.patch_size) ** 2),
    "bbox": lambda config: torch.randint(0, 30, (1, TOKENS, 4)).sort(-1).values,
}
