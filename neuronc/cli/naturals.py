"""Options that are whole numbers, and not negative."""

from __future__ import annotations

from argparse import ArgumentTypeError


def natural(text: str) -> int:
    """The number; argparse prints the error beside its usage."""
    if not text.isdecimal():
        raise ArgumentTypeError(f"{text!r} is not one of 0, 1, 2, ...")
    return int(text)
