"""Calls of core operations that `OpInfo` never makes: it calls what torch takes apart into them.

Each is one call of one overload, as the graph of a model would hold it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch.testing._internal.opinfo.core import SampleInput

aten: Any = torch.ops.aten
Arguments = tuple[Any, ...]
"""Of a call; the last one is a `dict` of those by keyword, if there are any."""


def normal(*shape: int) -> torch.Tensor:
    """Normal numbers."""
    return torch.randn(shape)


def integers(*shape: int) -> torch.Tensor:
    """Integers of a few bits."""
    return torch.randint(-50, 50, shape)


def bits(*shape: int) -> torch.Tensor:
    """True or false."""
    return torch.rand(shape) < 0.5


def places(largest: int, *shape: int) -> torch.Tensor:
    """Indices below `largest`."""
    return torch.randint(largest, shape)


CALLS: dict[str, Callable[[], Arguments]] = {
    "_adaptive_avg_pool2d": lambda: (normal(2, 3, 8, 7), [4, 3]),
    "_adaptive_avg_pool2d_backward": lambda: (normal(2, 3, 4, 3), normal(2, 3, 8, 7)),
    "_adaptive_avg_pool3d": lambda: (normal(2, 3, 4, 6, 5), [2, 3, 2]),
    "_embedding_bag": lambda: (normal(6, 3), places(6, 7), torch.tensor([0, 3, 3]), False, 1),
    "_fft_c2r": lambda: (torch.complex(normal(4, 5), normal(4, 5)), [1], 0, 8),
    "_log_softmax": lambda: (normal(3, 5), 1, False),
    "_native_batch_norm_legit": lambda: (
        *(normal(4, 3, 6), normal(3), normal(3), normal(3), normal(3).abs()),
        *(True, 0.1, 1e-5),
    ),
    "_native_batch_norm_legit.no_stats": lambda: (
        *(normal(4, 3, 6), normal(3), normal(3)),
        *(True, 0.1, 1e-5),
    ),
    "_pdist_forward": lambda: (normal(5, 3), 2.0),
    "_softmax": lambda: (normal(3, 5), 1, False),
    "adaptive_avg_pool1d": lambda: (normal(2, 3, 9), [4]),
    "any": lambda: (bits(3, 4),),
    "any.dims": lambda: (bits(3, 4, 2), [0, 2]),
    "argmax": lambda: (normal(3, 5),),
    "argmin": lambda: (normal(3, 5),),
    "atan2.out": lambda: (normal(3, 5), normal(3, 5), {"out": normal(3, 5)}),
    "avg_pool1d": lambda: (normal(2, 3, 9), [3], [2], [1]),
    "avg_pool2d": lambda: (normal(2, 3, 9, 8), [3, 2], [2, 2], [1, 0]),
    "avg_pool2d_backward": lambda: (
        *(normal(2, 3, 5, 4), normal(2, 3, 9, 8), [3, 2], [2, 2], [1, 0]),
        *(False, True, None),
    ),
    "avg_pool3d": lambda: (normal(2, 3, 5, 6, 7), [2, 3, 2], [2, 2, 2], [0, 1, 0]),
    "bitwise_xor.Scalar": lambda: (integers(3, 5), 21),
    "bitwise_xor.Tensor": lambda: (integers(3, 5), integers(3, 5)),
    "col2im": lambda: (normal(2, 12, 12), [4, 5], [2, 2], [1, 1], [0, 0], [1, 1]),
    "convolution": lambda: (
        *(normal(2, 4, 7, 6), normal(6, 2, 3, 3), normal(6)),
        *([2, 1], [1, 1], [1, 1], False, [0, 0], 2),
    ),
    "convolution_backward": lambda: (
        *(normal(2, 6, 4, 6), normal(2, 4, 7, 6), normal(6, 2, 3, 3), [6]),
        *([2, 1], [1, 1], [1, 1], False, [0, 0], 2, [True, True, True]),
    ),
    "div.Scalar_mode": lambda: (normal(3, 5), 0.3, {"rounding_mode": "floor"}),
    "elu": lambda: (normal(3, 5), 1.5),
    "embedding": lambda: (normal(6, 3), places(6, 2, 4)),
    "embedding_dense_backward": lambda: (normal(2, 4, 3), places(6, 2, 4), 6, 1, False),
    "erf": lambda: (normal(3, 5),),
    "fmod.Scalar": lambda: (normal(3, 5), 0.3),
    "grid_sampler_2d": lambda: (normal(2, 3, 5, 6), normal(2, 4, 3, 2), 0, 0, False),
    "leaky_relu": lambda: (normal(3, 5), 0.2),
    "max_pool2d_with_indices": lambda: (normal(2, 3, 7, 8), [3, 2], [2, 2], [1, 0]),
    "max_pool2d_with_indices_backward": lambda: (
        *(normal(2, 3, 4, 4), normal(2, 3, 7, 8), [3, 2], [2, 2], [1, 0], [1, 1]),
        *(False, places(7 * 8, 2, 3, 4, 4)),
    ),
    "max_pool3d_with_indices": lambda: (normal(2, 3, 5, 6, 7), [2, 3, 2]),
    "mean.dim": lambda: (normal(3, 5, 2), [0, 2], True),
    "native_group_norm_backward": lambda: (
        *(normal(2, 4, 6), normal(2, 4, 6), normal(2, 2), normal(2, 2).abs(), normal(4)),
        *(2, 4, 6, 2, [True, True, True]),
    ),
    "native_layer_norm": lambda: (normal(3, 4, 5), [5], normal(5), normal(5), 1e-5),
    "native_layer_norm_backward": lambda: (
        *(normal(3, 4, 5), normal(3, 4, 5), [5], normal(3, 4, 1), normal(3, 4, 1).abs()),
        *(normal(5), normal(5), [True, True, True]),
    ),
    "prod": lambda: (normal(3, 5),),
    "prod.dim_int": lambda: (normal(3, 5), 1, True),
    "reflection_pad2d": lambda: (normal(2, 3, 5, 6), [1, 2, 3, 0]),
    "reflection_pad3d": lambda: (normal(2, 3, 4, 5, 6), [1, 2, 3, 0, 1, 1]),
    "relu": lambda: (normal(3, 5),),
    "replication_pad2d": lambda: (normal(2, 3, 5, 6), [1, 2, 3, 0]),
    "replication_pad3d": lambda: (normal(2, 3, 4, 5, 6), [1, 2, 3, 0, 1, 1]),
    "scatter.src": lambda: (normal(3, 5), 1, torch.tensor([[4, 0], [1, 2]]), normal(2, 2)),
    "scatter.value": lambda: (normal(3, 5), 1, torch.tensor([[4, 0], [1, 2]]), 2.5),
    "sigmoid": lambda: (normal(3, 5),),
    "upsample_bilinear2d.vec": lambda: (normal(2, 3, 4, 5), [7, 9], False, None),
    "upsample_nearest2d.vec": lambda: (normal(2, 3, 4, 5), None, [2.0, 1.5]),
    "var.correction": lambda: (normal(3, 5), [1], {"correction": 2, "keepdim": True}),
    "var.dim": lambda: (normal(3, 5), [0], False),
}
"""By overload, without a dot the default one."""


@dataclass(frozen=True)
class CoreInfo:
    """One overload, as `OpInfo` describes operations."""

    name: str
    supports_autograd: bool = False

    @property
    def formatted_name(self) -> str:
        """As it is asked for on the command line."""
        return f"aten.{self.name}"

    @property
    def op(self) -> Any:
        """The overload itself."""
        base, _, overload = self.name.partition(".")
        return getattr(getattr(aten, base), overload or "default")

    def supported_dtypes(self, _: str) -> set[torch.dtype]:
        """The type of its one call's first argument."""
        return {CALLS[self.name]()[0].dtype}

    def sample_inputs(self, _: str, dtype: torch.dtype, **__: Any) -> Iterator[SampleInput]:
        """Its one call."""
        given, *args = CALLS[self.name]()
        keywords = args.pop() if args and isinstance(args[-1], dict) else {}
        yield SampleInput(given, args=tuple(args), kwargs=keywords)


CORE = tuple(CoreInfo(name) for name in CALLS)
