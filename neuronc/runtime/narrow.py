"""Leave out of the rows of a value what nobody reaches of them.

    column[128, 1] in rows of 2,048 bytes
  becomes
    column[128, 1] in rows of 4 bytes

On chip a row is what a partition holds of a tile or of a PSUM bank, however little of it is used.
Rows of the host that follow each other at once are one stretch of memory: short in its cache, long
for its loops, and equal to the operand that a product wants.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from neuronc.runtime.views import View, rows_of, span_of


def narrow(views: Sequence[View]) -> list[View] | None:
    """All views of a value, in rows from byte 0 that hold them and no more.

    None where the views are not of rows at one distance, or fill them.
    """
    spans = [span_of(view)[0] for view in views]
    names = {name for _, _, _, name, _, _ in spans}
    if len(names) > 1 or 0 in names:
        return None
    # Tiles that lie on one grid of rows may start at different ones.
    pitch, start = rows_of(names.pop())
    size = max(view.itemsize for view in views)
    left = min(column for *_, column, _ in spans) // size * size
    width = -(-(max(end for *_, end in spans) - left) // size) * size
    if width >= pitch:
        return None
    first = min((view.offset - start) // pitch for view in views)
    return [_narrowed(view, pitch, width, start + first * pitch, left) for view in views]


def _narrowed(view: View, pitch: int, width: int, start: int, left: int) -> View:
    row, column = divmod(view.offset - start, pitch)
    strides = tuple(width if stride == pitch else stride for stride in view.strides)
    return replace(view, offset=row * width + column - left, strides=strides, phase=0)
