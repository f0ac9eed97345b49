"""Generate text with a Hugging Face model: prefill and decode compiled once, the cache in place.

    python examples/generate.py --random llama --tokens 20
    python examples/generate.py --random gpt2 --prompt "Once upon a time" --temperature 0.8
    python examples/generate.py /path/to/checkpoint --target trn3

Any causal model of `transformers` that takes a static cache will do, Llama and GPT-2 among them.
The prompt is padded to a bucket, so prompts of many lengths share one program; what the padding
wrote into the cache is written over before it is read. Keys and values stay where they are from the
first token to the last. A random model has no words, so its text is bytes.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# Parts of torch and transformers are not annotated.

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from rich.console import Console
from rich.progress import track
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GPT2Config,
    LlamaConfig,
    StaticCache,
)

from neuronc.hardware import DEFAULT_TARGET
from neuronc.report import report_of
from neuronc.runtime.program import Program

BUCKET = 16
"""Prompts are padded to a multiple of this."""
BYTES = 256
RANDOM: dict[str, Callable[[], Any]] = {
    "llama": lambda: LlamaConfig(
        vocab_size=BYTES,
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
    ),
    "gpt2": lambda: GPT2Config(vocab_size=BYTES, n_embd=128, n_layer=2, n_head=4, n_positions=512),
}


@dataclass
class Generator:
    """A model whose two programs share one cache of `length` positions."""

    model: Any
    length: int
    target: str = DEFAULT_TARGET
    programs: list[Program] = field(default_factory=list[Program])
    """Prefill and decode, once they have run."""

    def __post_init__(self) -> None:
        self.cache = StaticCache(config=self.model.config, max_cache_len=self.length)
        config = self.model.config
        heads = getattr(config, "num_key_value_heads", config.num_attention_heads)
        width = getattr(config, "head_dim", None)
        width = width or config.hidden_size // config.num_attention_heads
        self.cache.early_initialization(1, heads, width, self.model.dtype, self.model.device)
        options: dict[str, Any] = {"target": self.target, "observe": self.programs.append}
        self._step = torch.compile(
            self._logits, backend="neuronc", options=options, fullgraph=True, dynamic=False
        )

    def _logits(self, ids: torch.Tensor) -> torch.Tensor:
        """ids[1, S] to logits[1, S, V], with the cache extended by S positions."""
        return self.model(input_ids=ids, past_key_values=self.cache, use_cache=True).logits

    def logits(self, ids: Sequence[int], start: int) -> torch.Tensor:
        """The logits [V] after `ids`, which stand at positions from `start`."""
        padding = -len(ids) % BUCKET if len(ids) > 1 else 0
        self._at(start)
        with torch.no_grad():
            found = self._step(torch.tensor([[*ids, *([0] * padding)]]))
        self._at(start + len(ids))
        return found[0, len(ids) - 1]

    def tokens(self, prompt: Sequence[int], temperature: float = 0.0) -> Iterator[int]:
        """Sample tokens without end; the most likely ones at temperature 0."""
        logits = self.logits(prompt, 0)
        for position in range(len(prompt), self.length + 1):
            token = _sample(logits, temperature)
            yield token
            if position < self.length:
                logits = self.logits([token], position)

    def _at(self, position: int) -> None:
        for layer in self.cache.layers:
            cast(Any, layer).cumulative_length.fill_(position)


def _sample(logits: torch.Tensor, temperature: float) -> int:
    if temperature == 0:
        return int(logits.argmax())
    return int(torch.multinomial(torch.softmax(logits.float() / temperature, 0), 1))


def random_model(name: str) -> Any:
    """A small model of a family with random weights, the same ones every time."""
    torch.manual_seed(0)
    return cast(Any, AutoModelForCausalLM).from_config(RANDOM[name]()).eval()


def main() -> None:
    """Generate, and say how fast here and how fast on the target."""
    arguments = _arguments()
    if arguments.random:
        model = random_model(arguments.random)
        prompt, decode = list(arguments.prompt.encode()), _from_bytes
    else:
        model = cast(Any, AutoModelForCausalLM).from_pretrained(arguments.model).eval()
        tokenizer: Any = cast(Any, AutoTokenizer).from_pretrained(arguments.model)
        prompt, decode = tokenizer.encode(arguments.prompt), tokenizer.decode
    length = -(-(len(prompt) + arguments.tokens) // BUCKET) * BUCKET
    torch.manual_seed(arguments.seed)
    generator = Generator(model, length, arguments.target)
    stream = generator.tokens(prompt, arguments.temperature)
    console = Console()
    start = time.perf_counter()
    found = [next(stream), next(stream)]
    first = time.perf_counter()
    rest = range(arguments.tokens - len(found))
    found += [next(stream) for _ in track(rest, "generating", console=console, transient=True)]
    seconds = time.perf_counter() - first
    prefill, step = (report_of(p.artifact) for p in generator.programs)
    console.print(decode([*prompt, *found]), markup=False)
    print(f"compiled, first two tokens   {first - start:.1f} s")
    print(f"here                         {len(rest) / seconds:.1f} tokens/s")
    print(f"on {arguments.target}, estimated           {1 / step.seconds:.0f} tokens/s")
    print(f"prefill of {len(prompt)} on {arguments.target}        {1e6 * prefill.seconds:.0f} us")
    print(f"copied for each token        {generator.programs[1].copied_bytes} bytes")


def _from_bytes(tokens: Sequence[int]) -> str:
    return bytes(tokens).decode(errors="replace")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Generate text with a compiled model.")
    parser.add_argument("model", nargs="?", help="a checkpoint's folder")
    parser.add_argument("--random", choices=RANDOM, help="a small model with random weights")
    parser.add_argument("--prompt", default="The quick brown fox")
    parser.add_argument("--tokens", type=int, default=32, help="how many to generate, from 3")
    parser.add_argument("--temperature", type=float, default=0.0, help="0 takes the most likely")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--target", default=DEFAULT_TARGET)
    arguments = parser.parse_args()
    if bool(arguments.model) == bool(arguments.random):
        parser.error("give a checkpoint's folder, or --random")
    if not arguments.prompt:
        parser.error("--prompt must not be empty")
    if arguments.tokens < 3:
        parser.error("--tokens must be 3 or more")
    return arguments


if __name__ == "__main__":
    main()
