"""Intervals of integers, and those of torch's types."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Range:
    """All integers from `low` to `high`."""

    low: int
    high: int

    def holds(self, other: Range) -> bool:
        """Whether the other lies within."""
        return self.low <= other.low and other.high <= self.high

    def joined(self, other: Range) -> Range:
        """The smallest that holds both."""
        return Range(min(self.low, other.low), max(self.high, other.high))


INT32 = Range(-(2**31), 2**31 - 1)
INT64 = Range(-(2**63), 2**63 - 1)
LIMITS = {
    torch.bool: Range(0, 1),
    torch.int8: Range(-128, 127),
    torch.uint8: Range(0, 255),
    torch.int16: Range(-(2**15), 2**15 - 1),
    torch.uint16: Range(0, 2**16 - 1),
    torch.int32: INT32,
}
