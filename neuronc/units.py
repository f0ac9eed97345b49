"""Quantities as people read them."""

from __future__ import annotations

_BINARY = ("bytes", "KiB", "MiB", "GiB", "TiB")
_DECIMAL = ("", "k", "M", "G", "T", "P")


def format_bytes(count: float) -> str:
    """Render as `1.5 MiB`."""
    step = 0
    while count >= 1024 and step < len(_BINARY) - 1:
        count, step = count / 1024, step + 1
    return f"{count:.1f} {_BINARY[step]}" if step else f"{count:.0f} bytes"


def format_count(count: float) -> str:
    """Render as `1.50 G`; counts below a thousand are exact."""
    step = 0
    while count >= 1000 and step < len(_DECIMAL) - 1:
        count, step = count / 1000, step + 1
    return f"{count:.2f} {_DECIMAL[step]}" if step else f"{count:.0f}"


def format_seconds(seconds: float) -> str:
    """Render in s, ms or us, with three digits."""
    for unit, scale in (("s", 1.0), ("ms", 1e3)):
        if seconds * scale >= 1:
            return f"{seconds * scale:.3g} {unit}"
    return f"{seconds * 1e6:.3g} us"


def format_share(part: float, whole: float) -> str:
    """Render part / whole in percent."""
    return f"{100 * part / whole:.1f} %" if whole else "0.0 %"
