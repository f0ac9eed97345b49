"""Hugging Face models, tiny and with random weights, and the arguments of one call."""

# pyright: basic
# transformers declares its configurations as keyword arguments of no type.

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from typing import Any

import torch
from torch import nn
from torch_family_configs import CLASSES, FIXED, LISTS, NESTED, SMALL, SPECIAL, WORDS, Nested
from torch_family_inputs import inputs
from torch_libraries import with_values

TOKENS_OF = {"image": 98, "video": 97, "audio": 96}
"""What stands for other things than words."""


def tiny_config(config_class: Any, special: Nested) -> Any:
    """A family's default configuration, cut small."""
    values = _cut(config_class().to_dict())
    _merge(values, special)
    values.pop("model_type", None)
    return config_class(**values)


def _cut(values: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        if key in SMALL and isinstance(value, int) and not isinstance(value, bool):
            found[key] = min(value, SMALL[key])
        elif key in LISTS and isinstance(value, list | tuple):
            first = LISTS[key]
            found[key] = [first << i if first else 1 for i in range(len(value))]
        elif isinstance(value, dict) and (key.endswith("config") or key in NESTED):
            found[key] = _cut(value)
        elif key in FIXED:
            found[key] = FIXED[key] if value is None or isinstance(value, list) else value
        elif key.endswith(("_token_id", "_token_index")) and isinstance(value, int):
            found[key] = value if value < WORDS else TOKENS_OF.get(key.split("_")[0], 1)
        else:
            found[key] = value
    if found.get("kv_lora_rank"):
        found["num_key_value_heads"] = found["num_attention_heads"]
    layers = values.get("num_hidden_layers"), found.get("num_hidden_layers")
    for key, value in found.items():
        if isinstance(value, list) and len(value) == layers[0] != layers[1]:
            found[key] = _varied(value, layers[1])
    found.pop("transformers_version", None)
    return found


def _varied(kinds: list[Any], count: Any) -> list[Any]:
    """As many kinds of layer as there are layers, each kind once if they suffice."""
    distinct = list(dict.fromkeys(kinds))
    return (distinct + kinds)[: max(count, 1)]


def _merge(values: dict[str, Any], special: Nested) -> None:
    for key, value in special.items():
        if isinstance(value, Mapping) and isinstance(values.get(key), dict):
            _merge(values[key], value)
        else:
            values[key] = value


HEADS = {
    "causal": "MODEL_FOR_CAUSAL_LM_MAPPING",
    "decode": "MODEL_FOR_CAUSAL_LM_MAPPING",
    "seq2seq": "MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING",
    "classify": "MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING",
    "masked": "MODEL_FOR_MASKED_LM_MAPPING",
    "image": "MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING",
}
"""Registries of models with a head, by what follows the dot of a name."""


def make(name: str) -> tuple[nn.Module, tuple[Any, ...], dict[str, Any]]:
    """A tiny model of a family, with the arguments of one call.

    After a dot, which head: "llama.classify". With "llama.decode", it is one token after others
    whose keys and values, or states, are in the cache that is an argument.
    """
    name, _, head = name.partition(".")
    auto: Any = import_module("transformers.models.auto")
    torch.manual_seed(0)
    config = tiny_config(auto.configuration_auto.CONFIG_MAPPING[name], SPECIAL.get(name, {}))
    model, config = _model(name, head, config)
    model = with_values(model.eval())
    given = _accepted(model, config)
    return model, (), _next_token(model, given) if head == "decode" else given


def _model(name: str, head: str, config: Any) -> tuple[nn.Module, Any]:
    """The model, and the part of the configuration that it was made of."""
    registry: Any = import_module("transformers.models.auto.modeling_auto")
    if not head and name in CLASSES:
        kind, _, part = CLASSES[name].partition(":")
        config = getattr(config, part) if part else config
        return getattr(import_module("transformers"), kind)(config), config
    if head == "classify":
        config.pad_token_id = 0
    found = getattr(registry, HEADS.get(head, "MODEL_MAPPING"))[type(config)]
    return (found[0] if isinstance(found, tuple) else found)(config), config


def _next_token(model: nn.Module, given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that continue a text: its cache, and one token more."""
    with torch.no_grad():
        before = model(**given, use_cache=True)
    name = next(n for n in ("past_key_values", "cache_params", "state") if getattr(before, n, None))
    token = given["input_ids"][:, :1]
    return {"input_ids": token, name: getattr(before, name), "use_cache": True}


def _accepted(model: nn.Module, config: Any) -> dict[str, Any]:
    """Arguments that eager takes: text with an image in it, or without."""
    given = inputs(model, config)
    if not {"input_ids", "pixel_values"} <= set(given):
        return given
    for image in (False, True):
        with suppress(Exception), torch.no_grad():
            changed = _with_image(model, config, given) if image else given
            model(**changed)
            return changed
    return {key: value for key, value in given.items() if key != "pixel_values"}


def _with_image(model: Any, config: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """As many tokens of the image before the text as the model makes of it."""
    images = given["pixel_values"]
    try:
        made = model.get_image_features(pixel_values=images)
    except ValueError:
        images = images[:, None]
        made = model.get_image_features(pixel_values=images)
    made = getattr(made, "pooler_output", made)
    count = sum(part.numel() // part.shape[-1] for part in made)
    token = getattr(config, "image_token_id", None) or config.image_token_index
    ids = torch.cat([torch.full((1, count), token), given["input_ids"]], 1)
    return {**given, "pixel_values": images, "input_ids": ids}
