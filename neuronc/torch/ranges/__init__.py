"""Intervals of int64 values, so that indices run on engines that have no 64-bit integers.

    arange(0, 128)      [0, 127]
    x + 3               [lo + 3, hi + 3]
    argmax over n       [0, n - 1]
    ids of embedding    [-n, n - 1], or torch would raise

A value whose interval is within int32 is written as i32; the numbers are the same. Where nothing
is known, it stays 64 bits wide. Intervals are exact Python integers, so none can wrap.
"""
