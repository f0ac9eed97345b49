"""Systems of equations. The library factors and solves; the triangles are StableHLO's own.

Torch raises on a singular matrix; here the results are infinite or NaN, as `info` says.
"""

from __future__ import annotations

from jaxlib.mlir import ir

from neuronc.torch.build import Build
from neuronc.torch.building.values import Value, element_of, shape_of
from neuronc.torch.elements import is_complex, tensor_type
from neuronc.torch.scope import Scope
from neuronc.torch.table import aten

_LETTER = {"f32": "s", "f64": "d", "complex<f32>": "c", "complex<f64>": "z"}


def factored(b: Build, x: Value) -> list[Value]:
    """LU[..., M, N], pivots[..., min(M, N)] counted from 1, and info[...]."""
    *batch, m, n = shape_of(x)
    pivots = tensor_type((*batch, min(m, n)), "i32")
    return _lapack(b, "getrf", x, [x.type, pivots, tensor_type(tuple(batch), "i32")], "{}")


def _lapack(b: Build, name: str, x: Value, types: list[ir.Type], options: str) -> list[Value]:
    """A routine, called as JAX calls it on CPU."""
    made = b.op(
        "stablehlo.custom_call",
        [x],
        types,
        call_target_name=ir.StringAttr.get(f"lapack_{_LETTER[element_of(x)]}{name}_ffi"),
        api_version=ir.IntegerAttr.get(ir.IntegerType.get_signless(32), 4),
        backend_config=ir.Attribute.parse(options),
    )
    return list(made.results)


def order(b: Build, pivots: Value, rows: int) -> Value:
    """The row that comes to each place, i32[..., rows], when the swaps are done one by one."""
    *batch, count = shape_of(pivots)
    full = (*batch, rows)
    place = b.iota(full, len(batch), "i32")
    zero = b.splat(0, (), "i32")
    if not count:
        return place

    def step(inner: Build, k: Value, found: Value) -> list[Value]:
        at = [zero] * len(batch) + [k]
        other = inner.dynamic_slice(pivots, at, (*batch, 1))
        other = inner.subtract(other, inner.like(1, other))
        mine = inner.broadcast(inner.dynamic_slice(found, at, (*batch, 1)), full)
        there = inner.compare("EQ", place, inner.broadcast(other, full))
        here = inner.compare("EQ", place, inner.broadcast(k, full))
        kept = inner.select(there, found, inner.like(0, found))
        theirs = inner.fold("add", kept, 0, [len(batch)])
        theirs = inner.broadcast(inner.reshape(theirs, (*batch, 1)), full)
        swapped = inner.select(here, theirs, inner.select(there, mine, found))
        return [inner.add(k, inner.like(1, k)), swapped]

    def more(inner: Build, k: Value, _: Value) -> list[Value]:
        return [inner.compare("LT", k, inner.like(count, k))]

    return b.while_loop([zero, place], more, step)[1]


def permutation(b: Build, pivots: Value, rows: int, element: str) -> Value:
    """P[..., rows, rows] with P A = L U."""
    *batch, _ = shape_of(pivots)
    full = (*batch, rows, rows)
    source = b.broadcast_in_dim(order(b, pivots, rows), full, range(len(batch) + 1))
    return b.convert(b.compare("EQ", source, b.iota(full, len(batch) + 1, "i32")), element)


def triangle(
    b: Build, x: Value, y: Value, *, lower: bool, unit: bool = False, left: bool = True
) -> Value:
    """Solve x r = y, or r x = y, with one triangle of x[..., N, N]."""
    flag = ir.BoolAttr.get
    kept = ir.Attribute.parse("#stablehlo<transpose NO_TRANSPOSE>")
    return b.one(
        "triangular_solve",
        [x, y],
        shape_of(y),
        element_of(y),
        left_side=flag(left),
        lower=flag(lower),
        unit_diagonal=flag(unit),
        transpose_a=kept,
    )


def product(b: Build, x: Value, y: Value) -> Value:
    """x[..., M, K] @ y[..., K, N]."""
    batch = list(range(len(shape_of(x)) - 2))
    return b.dot(x, y, (batch, batch), ([len(batch) + 1], [len(batch)]))


def swapped(b: Build, x: Value) -> Value:
    """The last two dimensions the other way round."""
    rank = len(shape_of(x))
    return b.transpose(x, [*range(rank - 2), rank - 1, rank - 2])


def solved(b: Build, lu: Value, pivots: Value, y: Value) -> Value:
    """The r of L U r = P y, of equal batch extents."""
    ordered = product(b, permutation(b, pivots, shape_of(y)[-2], element_of(y)), y)
    half = triangle(b, lu, ordered, lower=True, unit=True)
    return triangle(b, lu, half, lower=False)


@aten("linalg_lu_factor_ex")
def lu_factor(s: Scope, x: Value, *, pivot: bool = True, check_errors: bool = False) -> list[Value]:
    """LU, pivots, info."""
    return factored(s.b, x)


@aten("_linalg_solve_ex")
def solve(
    s: Scope, x: Value, y: Value, *, left: bool = True, check_errors: bool = False
) -> list[Value]:
    """R of x[..., N, N] r = y[..., N, K] or y[..., N], then LU, pivots, info."""
    b, result = s.b, s.out.shape
    lu, pivots, info = factored(b, x)
    *batch, n, _ = shape_of(x)
    vector = len(shape_of(y)) == 1 or shape_of(y) == (*batch, n)
    right = b.reshape(y, (*shape_of(y), 1)) if vector else y
    used, exchanges = (lu, pivots) if left else factored(b, swapped(b, x))[:2]
    right = right if left else swapped(b, right)
    right = b.broadcast(right, (*batch, *shape_of(right)[-2:]))
    made = solved(b, used, exchanges, right)
    return [b.reshape(made if left else swapped(b, made), result), lu, pivots, info]


@aten("linalg_inv_ex")
def inverse(s: Scope, x: Value, *, check_errors: bool = False) -> list[Value]:
    """The inverse of x[..., N, N], and info."""
    b, shape = s.b, shape_of(x)
    lu, pivots, info = factored(b, x)
    eye = b.compare("EQ", *(b.iota(shape, len(shape) - k, "i32") for k in (1, 2)))
    return [solved(b, lu, pivots, b.convert(eye, element_of(x))), info]


@aten("linalg_solve_triangular")
def solve_triangular(
    s: Scope, x: Value, y: Value, *, upper: bool, left: bool = True, unitriangular: bool = False
) -> Value:
    """R of x r = y, or of r x = y, with one triangle of x."""
    batch = s.out.shape[:-2]
    full = [s.b.broadcast(v, (*batch, *shape_of(v)[-2:])) for v in (x, y)]
    return triangle(s.b, full[0], full[1], lower=not upper, unit=unitriangular, left=left)


@aten("_linalg_det")
def determinant(s: Scope, x: Value) -> list[Value]:
    """The determinant of x[..., N, N], then LU and pivots."""
    lu, pivots, _ = factored(s.b, x)
    diagonal, sign = _diagonal(s.b, lu), _parity(s.b, pivots, element_of(x))
    last = len(shape_of(diagonal)) - 1
    return [s.b.multiply(s.b.fold("multiply", diagonal, 1, [last]), sign), lu, pivots]


@aten("_linalg_slogdet")
def log_determinant(s: Scope, x: Value) -> list[Value]:
    """The sign of the determinant and the logarithm of its size, then LU and pivots."""
    b = s.b
    lu, pivots, _ = factored(b, x)
    diagonal, last = _diagonal(b, lu), len(shape_of(x)) - 2
    sign = b.multiply(
        b.fold("multiply", b.unary("sign", diagonal), 1, [last]), _parity(b, pivots, element_of(x))
    )
    size = _absolute(b, diagonal)
    return [sign, b.fold("add", b.unary("log", size), 0, [last]), lu, pivots]


def _absolute(b: Build, x: Value) -> Value:
    element = element_of(x)
    real = element[len("complex<") : -1] if is_complex(element) else element
    return b.one("abs", [x], shape_of(x), real)


def _diagonal(b: Build, x: Value) -> Value:
    """x[..., i, i]."""
    rank = len(shape_of(x))
    same = b.compare("EQ", *(b.iota(shape_of(x), rank - k, "i32") for k in (1, 2)))
    return b.fold("add", b.select(same, x, b.like(0, x)), 0, [rank - 1])


def _parity(b: Build, pivots: Value, element: str) -> Value:
    """-1 for an odd number of exchanges, else 1."""
    shape = shape_of(pivots)
    place = b.add(b.iota(shape, len(shape) - 1, "i32"), b.splat(1, shape, "i32"))
    moved = b.convert(b.compare("NE", pivots, place), element)
    factor = b.subtract(b.like(1, moved), b.multiply(moved, b.like(2, moved)))
    return b.fold("multiply", factor, 1, [len(shape) - 1])


@aten("linalg_cholesky_ex")
def cholesky(s: Scope, x: Value, *, upper: bool = False, check_errors: bool = False) -> list[Value]:
    """One triangle of the factor of x[..., N, N], NaN where there is none, and info.

    Torch counts in `info` which minor is not positive; here it is 1 for any.
    """
    b, shape = s.b, shape_of(x)
    types = [x.type, tensor_type(shape[:-2], "i32")]
    options = f"{{uplo = {ord('U' if upper else 'L')} : ui8}}"
    made, info = _lapack(b, "potrf", x, types, options)
    row, column = (b.iota(shape, len(shape) - k, "i32") for k in (2, 1))
    kept = b.compare("LE" if upper else "GE", row, column)
    return [b.select(kept, made, b.like(0, made)), info]


@aten("diagonal_scatter")
def diagonal_scatter(
    s: Scope, x: Value, part: Value, offset: int = 0, dim1: int = 0, dim2: int = 1
) -> Value:
    """X with part[..., K] on a diagonal of two of its dimensions."""
    b, shape, rank = s.b, shape_of(x), len(shape_of(x))
    first, second = dim1 % rank, dim2 % rank
    rest = [d for d in range(rank) if d not in (first, second)]
    low = max(-offset, 0)
    edges = [0] * len(rest)
    high = shape[first] - low - shape_of(part)[-1]
    padded = b.pad(part, b.splat(0, (), element_of(x)), [*edges, low], [*edges, high])
    row, column = b.iota(shape, first, "i32"), b.iota(shape, second, "i32")
    there = b.compare("EQ", column, b.add(row, b.like(offset, row)))
    return b.select(there, b.broadcast_in_dim(padded, shape, [*rest, first]), x)
