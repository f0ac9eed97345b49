"""Try Hugging Face's model families, each once: tiny random models against eager PyTorch.

    python benchmarks/torch_families.py [--all] [--json FILE] [--jobs N] [MODEL_TYPE ...]
    python benchmarks/torch_families.py --library timm [--json FILE] [--jobs N] [NAME ...]

Or those of another library: see `torch_libraries.py`.

A model type is a name of transformers' own registry, as `llama`; without names, those of `NAMED`
are tried, with `--all` every one in the registry. A tiny configuration is made of a family's
default one: every extent with a known name is cut (`SMALL`), and `SPECIAL` adds what a family
insists on. Text gets an image where a family takes one and its tokens are found. Each model runs
in a process of its own; with `--json`, what the file has is not tried again, and `--seconds` ends
early, so that a long list can be tried in pieces. An outcome is one of

    ok        outputs and changed state within 2e-5 of eager's
    WRONG     not so
    refused   a coded error of neuronc
    export    torch.export itself refuses
    build     no tiny model was found: the family was not tried
    CRASH     anything else
"""

# pyright: basic
# transformers declares its configurations as keyword arguments of no type.

from __future__ import annotations

import argparse
import inspect
import json
import multiprocessing
import resource
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from time import monotonic
from typing import Any

import torch
from torch import nn
from torch_family_configs import CLASSES, FIXED, LISTS, MASKED, NESTED, SMALL, SPECIAL, Nested
from torch_libraries import LIBRARIES, with_values
from torch_libraries import make as of_library

TOLERANCE = 2e-5
TIME_LIMIT_S = 900
MEMORY_LIMIT = 6 << 30
"""Bytes that a process may allocate: some default configurations ask for more than there is."""
APART = multiprocessing.get_context("forkserver")
APART.set_forkserver_preload(["torch_warm"])
TOKENS = 12
VOCABULARY, WORDS = 99, 90
TOKENS_OF = {"image": 98, "video": 97, "audio": 96}
"""Words are below `WORDS`; above are what stands for other things."""
IMAGE = 32
AUDIO_SAMPLES = 2000

NAMED = (
    "detr wav2vec2 hubert bart pegasus marian led siglip blip blip-2 xlm flaubert longformer "
    "nystromformer zamba2 efficientnet regnet convnext swin beit deit segformer mobilevit dpt "
    "mask2former grounding-dino owlvit sam videomae timesformer phi phi3 falcon mpt bloom opt "
    "gpt_neox gptj mistral gemma gemma3_text qwen2_moe qwen3_moe deepseek_v2 deepseek_v3 "
    "llama4_text olmo cohere stablelm granite jamba rwkv mamba2 fnet deberta deberta-v2 electra "
    "albert distilbert roberta xlnet t5 mt5 umt5 pix2struct speecht5 encodec vits "
    "speech_to_text time_series_transformer patchtst informer decision_transformer vitdet "
    "gpt2 gpt_neo llama qwen2 qwen3 bert vit clip whisper mixtral mamba convnextv2 swinv2 "
    "mobilenet_v1 mobilenet_v2 mobilevitv2 poolformer pvt levit cvt focalnet donut-swin "
    "data2vec-text xlm-roberta squeezebert mobilebert layoutlm lxmert visual_bert vilt bit resnet "
    "dinov2 yolos conditional_detr deformable_detr rt_detr table-transformer glpn perceiver canine "
    "mbart m2m_100 blenderbot prophetnet plbart bigbird_pegasus big_bird funnel convbert "
    "rembert roformer splinter mra yoso ibert megatron-bert luke "
    "wavlm unispeech unispeech-sat sew sew-d wav2vec2-conformer wav2vec2-bert "
    "audio-spectrogram-transformer clap univnet seamless_m4t "
    "gemma2 glm glm4 exaone4 ernie4_5 smollm3 olmo2 olmoe cohere2 starcoder2 persimmon nemotron "
    "granitemoe phimoe dbrx minimax diffllama helium recurrent_gemma falcon_mamba bamba lfm2 "
    "codegen biogpt xglm bert-generation gpt_bigcode jetmoe arcee apertus hunyuan_v1_dense "
    "groupvit clipseg altclip chinese_clip siglip2 align flava bridgetower git "
    "vit_mae vit_msn ijepa hiera vivit imagegpt dinov3_vit dinov3_convnext swiftformer "
    "textnet superpoint depth_anything zoedepth seggpt sam2 "
    "autoformer patchtsmixer timesfm dac mimi xcodec "
)
"""Model types tried without being asked for."""


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


def make(name: str) -> tuple[nn.Module, tuple[Any, ...], dict[str, Any]]:
    """A tiny model of a family, with the arguments of one call."""
    auto: Any = import_module("transformers.models.auto")
    config_class = auto.configuration_auto.CONFIG_MAPPING[name]
    torch.manual_seed(0)
    config = tiny_config(config_class, SPECIAL.get(name, {}))
    transformers: Any = import_module("transformers")
    if name in CLASSES:
        kind, _, part = CLASSES[name].partition(":")
        config = getattr(config, part) if part else config
        model = getattr(transformers, kind)(config)
    else:
        found = auto.modeling_auto.MODEL_MAPPING[config_class]
        model = (found[0] if isinstance(found, tuple) else found)(config)
    model = with_values(model.eval())
    return model, (), _accepted(model, config)


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


def attempt(name: str, library: str = "") -> dict[str, Any]:
    """What became of one family."""
    warnings.simplefilter("ignore")
    compare: Any = import_module("torch_compare")
    errors: Any = import_module("neuronc.errors")
    torch.manual_seed(0)
    try:
        model, args, kwargs = of_library(library, name) if library else make(name)
        with torch.no_grad():
            made = compare.eager(model, (args, kwargs), [])
        if not any(t.count_nonzero() for t in made):
            return {"outcome": "build", "why": "every output is 0, which would prove nothing"}
    except Exception as failure:
        return {"outcome": "build", "why": _first(failure)}
    try:
        found = compare.compare((model, args, kwargs))
    except errors.NeuroncError as failure:
        return {"outcome": "refused", "why": str(failure)[:1500]}
    except Exception as failure:
        return {"outcome": _blame(failure), "why": _first(failure)}
    outcome = "ok" if found.error <= TOLERANCE else "WRONG"
    return {"outcome": outcome, "class": type(model).__name__, **vars(found)}


def _blame(failure: BaseException) -> str:
    """Whether torch.export gave up by itself, by where the exception came from."""
    trace = failure.__traceback__
    files: list[str] = []
    while trace is not None:
        files.append(trace.tb_frame.f_code.co_filename)
        trace = trace.tb_next
    exporting = any("torch/export/" in f.replace("\\", "/") for f in files)
    return "export" if exporting and "neuronc" not in files[-1] else "CRASH"


def _first(failure: BaseException) -> str:
    trace, place = failure.__traceback__, ""
    while trace is not None:
        place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
        trace = trace.tb_next
    return f"{type(failure).__name__}: {str(failure).strip()[:600]} [{place}]"


def _apart(library: str, end: float, name: str) -> dict[str, Any]:
    """One family in a process of its own, forked from one that has imported everything."""
    if monotonic() > end:
        return {}
    ours, theirs = APART.Pipe(duplex=False)
    process = APART.Process(target=_report, args=(theirs, name, library))
    process.start()
    theirs.close()
    try:
        if ours.poll(TIME_LIMIT_S):
            return ours.recv()
        return {"outcome": "CRASH", "why": f"longer than {TIME_LIMIT_S} s"}
    except EOFError:
        process.join()
        return {"outcome": "CRASH", "why": f"the process ended with {process.exitcode}"}
    finally:
        process.kill()
        process.join()


def _report(pipe: Any, name: str, library: str) -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_LIMIT, MEMORY_LIMIT))
    pipe.send(attempt(name, library))


def _names(library: str, every: bool) -> Sequence[str]:
    if library:
        return list(LIBRARIES[library].names())
    registry: Any = import_module("transformers.models.auto.configuration_auto").CONFIG_MAPPING
    return list(registry) if every else NAMED.split()


def _outcomes(file: Path | None) -> dict[str, Any]:
    """What a file of outcomes has, by name."""
    lines = file.read_text().splitlines() if file and file.exists() else []
    return {found["name"]: found for found in map(json.loads, lines)}


def main() -> None:
    """Try the families, print one line for each and a summary."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--library", default="", choices=["", *LIBRARIES])
    parser.add_argument("--all", action="store_true", help="every type of the registry")
    parser.add_argument("--json", type=Path, help="add outcomes to this file; skip what it has")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin none after")
    options = parser.parse_args()
    done = _outcomes(options.json)
    names = [n for n in options.names or _names(options.library, options.all) if n not in done]
    outcomes: dict[str, int] = {}
    child = partial(_apart, options.library, monotonic() + options.seconds)
    with ThreadPoolExecutor(options.jobs) as pool:
        for name, found in zip(names, pool.map(child, names), strict=True):
            if not found:
                break
            outcomes[found["outcome"]] = outcomes.get(found["outcome"], 0) + 1
            shown = f"{found['error']:.0e}" if "error" in found else found.get("why", "")
            print(f"{name:28} {found['outcome']:8} {shown}", flush=True)
            if options.json:
                with options.json.open("a") as file:
                    file.write(json.dumps({"name": name, **found}) + "\n")
    print(", ".join(f"{count} {kind}" for kind, count in sorted(outcomes.items())))


if __name__ == "__main__":
    main()
