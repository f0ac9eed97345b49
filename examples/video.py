"""Turn a video into another, frame by frame, with a small diffusion transformer.

    python examples/video.py -o /tmp/video                        8 frames of 64 x 64, 4 steps
    python examples/video.py -o /tmp/video --frames 24 --steps 8 --target trn3

    frame --convolutions--> latent z --N denoising steps--> latent --convolutions--> frame

Each step is a transformer over the latent's patches, which also attends to the patches of the
frames before: their keys and values stay in a cache, a ring over the last `context` frames, that
all frames share and that never moves. One program does a whole frame; it is compiled once, and
frames are written as they come, as PNG files and one GIF. Weights are random: what comes out shows
that the machine runs, not what a trained model would draw.

Axes: B batch (1), T patches of a frame, W width, H heads, F frames in the cache.
"""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention, silu

from neuronc.artifact.footprint import footprint
from neuronc.artifact.model import Artifact
from neuronc.hardware import DEFAULT_TARGET, GENERATIONS
from neuronc.report import report_of
from neuronc.residency import residency
from neuronc.runtime.program import Program
from neuronc.units import format_bytes


@dataclass(frozen=True)
class Config:
    """Sizes of the model; the defaults run in a second or so a frame."""

    size: int = 64
    """Rows and columns of a frame; the latent has a quarter of both."""
    channels: int = 16
    width: int = 64
    heads: int = 4
    layers: int = 2
    steps: int = 4
    context: int = 4
    """Frames in the cache."""

    @property
    def patches(self) -> int:
        """Positions of the latent."""
        return (self.size // 4) ** 2


class Block(nn.Module):
    """Attention over this frame and those in the cache, then an MLP; both modulated by time."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        width = config.width
        self.heads = config.heads
        self.modulation = nn.Linear(width, 4 * width)
        self.first, self.second = (nn.LayerNorm(width, elementwise_affine=False) for _ in range(2))
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU("tanh"), nn.Linear(4 * width, width)
        )

    def forward(self, x: Tensor, time: Tensor, past: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
        """x[B, T, W], past[2, B, H, F * T, W / H], seen[F * T]: new x, and its keys and values."""
        a, b, c, d = self.modulation(silu(time)).chunk(4, dim=-1)
        q, k, v = self.qkv(self.first(x) * (1 + a) + b).chunk(3, dim=-1)
        q, k, v = (self._split(t) for t in (q, k, v))
        mask = torch.cat([seen, torch.ones_like(seen[: x.shape[1]])])
        keys, values = torch.cat([past[0], k], dim=2), torch.cat([past[1], v], dim=2)
        mixed = scaled_dot_product_attention(q, keys, values, attn_mask=mask[None, None, None])
        x = x + cast(Tensor, self.out(mixed.transpose(1, 2).flatten(2)))
        return x + cast(Tensor, self.mlp(self.second(x) * (1 + c) + d)), torch.stack([k, v])

    def _split(self, t: Tensor) -> Tensor:
        return cast(Tensor, t.unflatten(-1, (self.heads, -1))).transpose(1, 2)


class VideoModel(nn.Module):
    """One frame in, one frame out; the frames before are in `cache`."""

    cache: Tensor
    times: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        channels, width = config.channels, config.width
        self.encoder = nn.Sequential(
            nn.Conv2d(3, channels, 3, stride=2, padding=1),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, stride=2, padding=1),
        )
        self.decoder = nn.Sequential(
            nn.ConvTranspose2d(channels, channels, 4, stride=2, padding=1),
            nn.SiLU(),
            nn.ConvTranspose2d(channels, 3, 4, stride=2, padding=1),
        )
        self.embed, self.project = nn.Linear(2 * channels, width), nn.Linear(width, channels)
        self.position = nn.Parameter(torch.randn(1, config.patches, width) / 8)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        shape = (config.layers, 2, 1, config.heads, config.context * config.patches)
        self.register_buffer("cache", torch.zeros(*shape, width // config.heads))
        angles = torch.outer(torch.arange(config.steps), 10.0 ** -torch.linspace(0, 3, width // 2))
        self.register_buffer("times", torch.cat([angles.sin(), angles.cos()], dim=1))

    def forward(self, frame: Tensor, noise: Tensor, slot: Tensor, seen: Tensor) -> Tensor:
        """frame[B, 3, S, S], noise[B, T, C], rows of the cache slot[T] to write, seen[F * T]."""
        given = self.encoder(frame).flatten(2).transpose(1, 2)
        z: Tensor = noise
        made: list[Tensor] = []
        for step in range(self.config.steps):
            x = self.embed(torch.cat([z, given], dim=-1)) + self.position
            made.clear()
            for number, block in enumerate(self.blocks):
                x, keys_values = block(x, self.times[step], self.cache[number], seen)
                made.append(keys_values)
            z = z + (self.project(x) - z) / (self.config.steps - step)
        self.cache.index_copy_(4, slot, torch.stack(made))
        side = self.config.size // 4
        return torch.tanh(self.decoder(z.transpose(1, 2).unflatten(2, (side, side))))


class Stream:
    """Frames through a model, one after the other; `programs` holds what it was compiled to."""

    def __init__(self, model: VideoModel, target: str = DEFAULT_TARGET, seed: int = 0) -> None:
        self.model, self.programs = model, list[Program]()
        self._options: dict[str, Any] = {"target": target, "observe": self.programs.append}
        self._step = torch.compile(model, backend="neuronc", options=self._options, fullgraph=True)
        self._random = torch.Generator().manual_seed(seed)
        self._count = 0

    def __call__(self, frame: Tensor) -> Tensor:
        """frame[3, S, S], from -1 to 1, to another."""
        arguments = self.arguments(frame)
        with torch.no_grad():
            return cast(Tensor, self._step(*arguments))[0]

    def arguments(self, frame: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What the model is called with for the next frame."""
        config = self.model.config
        slot = torch.arange(config.patches) + self._count % config.context * config.patches
        seen = torch.arange(config.context * config.patches) < self._count * config.patches
        noise = torch.randn(1, config.patches, config.channels, generator=self._random)
        self._count += 1
        return frame[None], noise, slot, seen


def input_frames(size: int, count: int) -> Iterator[Tensor]:
    """A disc that moves over a gradient."""
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    for number in range(count):
        centre = size * (0.25 + 0.5 * number / max(count - 1, 1))
        disc = (rows - size / 2) ** 2 + (columns - centre) ** 2 < (size / 6) ** 2
        picture = torch.stack([rows / size, columns / size, disc.float()])
        yield picture * 2 - 1


def picture_of(frame: Tensor) -> Image.Image:
    """frame[3, S, S] as a picture."""
    levels = ((frame + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    pixels: NDArray[np.uint8] = levels.permute(1, 2, 0).contiguous().numpy()
    return Image.fromarray(pixels)


def describe(artifact: Artifact) -> str:
    """What a frame takes on the target."""
    report, hw = report_of(artifact), GENERATIONS[artifact.target]
    held = footprint(artifact.buffers, artifact.temporary_bytes)
    handed = residency(artifact)
    sbuf = max(k.sbuf_bytes for k in artifact.kernels) * hw.partitions
    rows = {
        "HBM": f"{format_bytes(held.total_bytes)}, of it activations between kernels "
        f"{format_bytes(held.temporary_bytes)}",
        "HBM moved for a frame": f"{format_bytes(report.hbm_moved_bytes)}, of it activations "
        f"{format_bytes(handed.stored_bytes + handed.loaded_bytes)}",
        "activations handed on": f"{format_bytes(handed.chip_bytes)} on chip, "
        f"{format_bytes(handed.stored_bytes)} through HBM ({handed.share:.1%} stay)",
        "SBUF, most at once": f"{format_bytes(sbuf)} of "
        f"{format_bytes(hw.partitions * hw.sbuf_bytes_per_partition)}",
        f"on {artifact.target}, estimated": f"{1 / report.seconds:.1f} frames/s "
        f"({1e3 * report.seconds:.2f} ms a frame)",
    }
    return "\n".join(f"{name:<28}{value}" for name, value in rows.items())


def main() -> None:
    """Make a video, and say what a frame takes."""
    parser = argparse.ArgumentParser(description="Turn a video into another with a small DiT.")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for the frames")
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--steps", type=int, default=Config.steps, help="denoising steps a frame")
    parser.add_argument("--size", type=int, default=Config.size, help="a multiple of 4")
    parser.add_argument("--target", default=DEFAULT_TARGET)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    model = VideoModel(Config(size=arguments.size, steps=arguments.steps)).eval()
    stream = Stream(model, arguments.target, arguments.seed)
    arguments.output.mkdir(parents=True, exist_ok=True)
    pictures: list[Image.Image] = []
    times: list[float] = []
    for number, frame in enumerate(input_frames(arguments.size, arguments.frames)):
        start = time.perf_counter()
        pictures.append(picture_of(stream(frame)))
        times.append(time.perf_counter() - start)
        pictures[-1].save(arguments.output / f"frame{number:03}.png")
    pictures[0].save(
        arguments.output / "video.gif", save_all=True, append_images=pictures[1:], duration=100
    )
    (program,) = stream.programs
    print(describe(program.artifact))
    print(f"{'copied for each frame':<28}{format_bytes(program.copied_bytes)}")
    print(f"{'here':<28}{1 / min(times):.1f} frames/s, compiled in {times[0]:.1f} s")


if __name__ == "__main__":
    main()
