"""Models of other libraries, one small one of each family: what torch_families.py tries by name.

    python benchmarks/torch_families.py --library timm
    python benchmarks/torch_families.py --library torchvision resnet18 raft_small

Weights are random; inputs as small as a model takes. None of these libraries is a dependency:
install what you ask for beside the torch that is there.
"""

# pyright: basic
# Models of no one type, and libraries that may not be installed.

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch
from torch import nn
from torch_diffusers import CONFIGS
from torch_diffusers import make as diffusion
from torch_open_clip import make as clip
from torch_open_clip import names as clips
from torch_x_transformers import make as x_transformer
from torch_x_transformers import names as x_transformers

Made = tuple[nn.Module, tuple[Any, ...], dict[str, Any]]
SIZES = (64, 96, 128, 160, 192, 224, 256, 384)
"""Heights and widths to try, until a model takes one."""
SMALL_WORDS = (
    *("test_", "atto", "femto", "pico", "nano", "xxs", "xx_small", "_xs", "x_small", "tiny"),
    *("_t", "_s", "small", "_b0", "_b1", "_m0", "mini", "base", "_b"),
)
"""Words in names of models, the smallest first."""


@dataclass(frozen=True)
class Library:
    """What a library offers."""

    names: Callable[[], Sequence[str]]
    """One name for each family."""
    make: Callable[[str], Made]
    """A model by its name, and the arguments of one call."""


def _timm_names() -> Sequence[str]:
    """The smallest model of each module, by its name."""
    timm: Any = import_module("timm")
    known = {m: timm.list_models(module=m) for m in timm.list_modules()}
    return [min(names, key=_smallness) for names in known.values() if names]


def _smallness(name: str) -> tuple[int, int, str]:
    ranks = [i for i, word in enumerate(SMALL_WORDS) if word in name]
    return (min(ranks, default=len(SMALL_WORDS)), len(name), name)


def _timm(name: str) -> Made:
    timm: Any = import_module("timm")
    for size in SIZES:
        for options in ({"img_size": size}, {}):
            try:
                model = timm.create_model(name, num_classes=10, **options).eval()
                image = torch.randn(1, 3, size, size)
                with torch.no_grad():
                    model(image)
            except (TypeError, AssertionError, RuntimeError, ValueError, AttributeError):
                continue
            return model, (image,), {}
    raise ValueError(f"{name} takes no image of {SIZES}")


TORCHVISION = (
    "alexnet convnext_tiny densenet121 efficientnet_b0 efficientnet_v2_s googlenet inception_v3 "
    "maxvit_t mnasnet0_5 mobilenet_v2 mobilenet_v3_small regnet_x_400mf regnet_y_400mf resnet18 "
    "resnet50 resnext50_32x4d wide_resnet50_2 shufflenet_v2_x0_5 squeezenet1_0 squeezenet1_1 "
    "swin_t swin_v2_t vgg11 vgg11_bn vit_b_32 deeplabv3_mobilenet_v3_large deeplabv3_resnet50 "
    "fcn_resnet50 lraspp_mobilenet_v3_large mc3_18 r2plus1d_18 r3d_18 s3d mvit_v1_b mvit_v2_s "
    "swin3d_t raft_small raft_large fpn_resnet18 fpn_mobilenet_v3_large retinanet_heads "
    "fcos_heads ssd_heads ssdlite_heads"
)
VIDEO = ("mc3", "r2plus1d", "r3d", "s3d", "mvit", "swin3d")
HEADS = {
    "retinanet_heads": "retinanet_resnet50_fpn",
    "fcos_heads": "fcos_resnet50_fpn",
    "ssd_heads": "ssd300_vgg16",
    "ssdlite_heads": "ssdlite320_mobilenet_v3_large",
}
"""Detectors without what comes after: how many boxes are left depends on the values."""


def _torchvision_names() -> Sequence[str]:
    return TORCHVISION.split()


class Heads(nn.Module):
    """A detector's backbone and heads."""

    def __init__(self, detector: Any) -> None:
        super().__init__()
        self.backbone, self.head = detector.backbone, detector.head

    def forward(self, images: torch.Tensor) -> Any:
        """images[B, 3, S, S] to scores and boxes."""
        return self.head(list(self.backbone(images).values()))


def _torchvision(name: str) -> Made:
    models: Any = import_module("torchvision.models")
    if name.startswith("fpn_"):
        parts: Any = import_module("torchvision.models.detection.backbone_utils")
        kind = "mobilenet_backbone" if "mobilenet" in name else "resnet_fpn_backbone"
        options = {"fpn": True} if "mobilenet" in name else {}
        build, backbone = getattr(parts, kind), name.removeprefix("fpn_")
        return build(backbone_name=backbone, weights=None, **options).eval(), (_images(64),), {}
    if name in HEADS:
        detector = models.get_model(HEADS[name], weights=None, weights_backbone=None)
        return Heads(detector).eval(), (_images(320 if "ssd" in name else 64),), {}
    model = models.get_model(name, weights=None, **_without_backbone(name)).eval()
    if name.startswith("raft"):
        return model, (_images(128), _images(128)), {"num_flow_updates": 2}
    if name.startswith(VIDEO):
        side, frames = _clip(name)
        return model, (torch.randn(1, 3, frames, side, side),), {}
    return model, (_images(_side(name)),), {}


def _without_backbone(name: str) -> dict[str, Any]:
    segments = name.startswith(("deeplab", "fcn", "lraspp"))
    return {"weights_backbone": None} if segments else {}


def _side(name: str) -> int:
    return 224 if name.startswith(("vit", "maxvit")) else 96


def _clip(name: str) -> tuple[int, int]:
    """Side and frames of a video."""
    return (224, 64) if name == "s3d" else (224 if name.startswith("mvit") else 64, 16)


def _images(side: int) -> torch.Tensor:
    return torch.randn(1, 3, side, side)


def make(library: str, name: str) -> Made:
    """A model of a library."""
    model, args, kwargs = LIBRARIES[library].make(name)
    return with_values(model), args, kwargs


def with_values(model: nn.Module) -> nn.Module:
    """Give values to matrices that start at zero: gates, routers, last layers.

    There would be nothing to compare, or only equals to choose from.
    """
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1 and not parameter.count_nonzero():
                parameter.normal_(0, 0.05)
    return model


LIBRARIES: dict[str, Library] = {
    "timm": Library(_timm_names, _timm),
    "diffusers": Library(lambda: list(CONFIGS), diffusion),
    "x-transformers": Library(x_transformers, x_transformer),
    "open_clip": Library(clips, clip),
    "torchvision": Library(_torchvision_names, _torchvision),
}
