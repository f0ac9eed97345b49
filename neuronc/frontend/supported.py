"""The operations that a program may use, for `neuronc ops`."""

from __future__ import annotations

from neuronc.dialects.stablehlo.dialect import OPS
from neuronc.frontend.check import HOST_OPS, UNSUPPORTED


def supported_ops() -> list[str]:
    """Their names, sorted; the dynamic ones need shapes that become known."""
    return sorted(name for name in OPS if name not in HOST_OPS | UNSUPPORTED)
