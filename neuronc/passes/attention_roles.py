"""What a value between the contractions of an attention is, and which ops make one of others.

score;  maximum of scores;  score - maximum;  exp of that;  their sum;  exp / sum: the weights
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

SCORE, MAXIMUM, FINITE, BOUND, SHIFTED, EXPONENTIAL, TOTAL, INVERSE, WEIGHT = range(9)
"""What a value between the contractions is; a bound is a maximum, or 0 where that is -inf."""
LOW, SHOWN, EMPTY, SOME, NOTHING, DIVISOR, SAFE = range(9, 16)
"""Of a safe softmax: -inf or not, rows of only such or not, a sum of 0, that as 1, the weights."""
SOFTMAX: Mapping[tuple[str, tuple[int | None, ...], tuple[float, ...]], int] = {
    ("subtract", (SCORE, MAXIMUM), ()): SHIFTED,
    ("subtract", (SCORE, BOUND), ()): SHIFTED,
    ("exponential", (SHIFTED,), ()): EXPONENTIAL,
    ("divide", (EXPONENTIAL, TOTAL), ()): WEIGHT,
    ("divide", (EXPONENTIAL, DIVISOR), ()): SAFE,
    ("divide", (None, TOTAL), (1.0,)): INVERSE,
    ("multiply", (EXPONENTIAL, INVERSE), ()): WEIGHT,
    ("multiply", (INVERSE, EXPONENTIAL), ()): WEIGHT,
    ("maximum", (MAXIMUM, None), (-np.inf,)): MAXIMUM,
    ("maximum", (None, MAXIMUM), (-np.inf,)): MAXIMUM,
    # max = isfinite(max) ? max : 0 changes only rows that are NaN or 0 / 0 either way.
    ("is_finite", (MAXIMUM,), ()): FINITE,
    ("select", (FINITE, MAXIMUM, None), (0.0,)): BOUND,
    ("EQ", (MAXIMUM, None), (-np.inf,)): EMPTY,
    ("select", (EMPTY, None, MAXIMUM), (0.0,)): BOUND,
    ("EQ", (TOTAL, None), (0.0,)): NOTHING,
    ("select", (NOTHING, None, TOTAL), (1.0,)): DIVISOR,
    ("EQ", (SCORE, None), (-np.inf,)): LOW,
    ("NE", (SCORE, None), (-np.inf,)): SHOWN,
    ("not", (LOW,), ()): SHOWN,
    ("not", (SOME,), ()): EMPTY,
    ("select", (EMPTY, None, WEIGHT), (0.0,)): SAFE,
    ("select", (SOME, WEIGHT, None), (0.0,)): SAFE,
}
"""(op, what its operands are, the numbers beside them) to what it makes."""
REDUCED = {
    SCORE: ("maximum", -np.inf, MAXIMUM),
    EXPONENTIAL: ("add", 0.0, TOTAL),
    LOW: ("and", 1.0, EMPTY),
    SHOWN: ("or", 0.0, SOME),
}
"""What is reduced to (function, what it starts with, what that makes)."""
